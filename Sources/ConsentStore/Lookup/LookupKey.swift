internal import ConsentCore
internal import Crypto

/// What logged decisions are looked up by: 128 bits for a patient, an image, an actor, a reason or a
/// grant of one organization.
///
/// Two things with one key cost a record read in vain: what is found is compared with what was asked
/// for. The digests need no secret, because the records beside them name the same things in clear.
enum LookupKey {
  static func of(_ patient: PatientID) -> ID<LookupKey> { patient.retyped() }

  static func of(_ grant: GrantID) -> ID<LookupKey> { grant.retyped() }

  static func of(_ image: ImageKey) -> ID<LookupKey> {
    var form = CanonicalBytes()
    form.append(byte: 1)
    form.append(varText: image.text)
    return digest(form)
  }

  static func of(actor: Identifier) -> ID<LookupKey> {
    var form = CanonicalBytes()
    form.append(byte: 2)
    form.append(varText: actor.system)
    form.append(varText: actor.value)
    return digest(form)
  }

  static func of(_ reason: Reason) -> ID<LookupKey> { ID(high: 0, low: UInt64(reason.rawValue)) }

  private static func digest(_ form: CanonicalBytes) -> ID<LookupKey> {
    var words: (UInt64, UInt64) = (0, 0)
    for (place, byte) in SHA256.hash(data: form.bytes).prefix(16).enumerated() {
      if place < 8 {
        words.0 = words.0 << 8 | UInt64(byte)
      } else {
        words.1 = words.1 << 8 | UInt64(byte)
      }
    }
    return ID(high: words.0, low: words.1)
  }
}

extension DecisionEntry {
  /// Everything this decision is found by; what comes twice may be named twice.
  ///
  /// INVARIANT: a decision that matches a filter is found by each of the filter's keys.
  func lookupKeys(_ body: (ID<LookupKey>) -> Void) {
    if let patient { body(LookupKey.of(patient)) }
    if let group {
      for image in group.images { body(LookupKey.of(image)) }
    } else {
      body(LookupKey.of(request.image))
    }
    if let actor = request.actor { body(LookupKey.of(actor: actor.user)) }
    body(LookupKey.of(decision.primary))
    guard decision.effect == .permit else { return }
    for record in decision.records where record.part == .basis {
      if let grant = record.grant { body(LookupKey.of(grant)) }
    }
  }
}

extension DecisionFilter {
  /// Keys of which every matching decision has exactly one; `nil` if only time tells it from others.
  ///
  /// The narrowest field is taken, as far as that can be known beforehand.
  var lookupKeys: [ID<LookupKey>]? {
    if let basisGrant { return [LookupKey.of(basisGrant)] }
    if let image { return [LookupKey.of(image)] }
    if let patient { return [LookupKey.of(patient)] }
    if let actor { return [LookupKey.of(actor: actor)] }
    // A decision has one primary reason.
    if !primaries.isEmpty, primaries.count <= 16 { return primaries.map { LookupKey.of($0) } }
    return nil
  }
}
