internal import ConsentCore
internal import Crypto

/// What logged decisions are looked up by: 64 bits of a patient, an image, an actor, a reason or a
/// grant of one organization.
///
/// Two things with one word cost a record read in vain: what is found is compared with what was asked
/// for. Only uses of a grant are counted without reading records; so a grant is known in full. The
/// digests need no secret, because the records beside them name the same things in clear, but are
/// SHA-256: nobody chooses names that have one word.
struct LookupKey: Hashable {
  /// What entries are sorted by.
  var word: Int64
  /// The other half of a grant's id; `nil` of everything else.
  var grant: UInt64?

  init(word: Int64, grant: UInt64?) {
    self.word = word
    self.grant = grant
  }

  init(_ grant: GrantID) {
    word = Int64(bitPattern: grant.low)
    self.grant = grant.high
  }

  init(_ patient: PatientID) { word = Int64(bitPattern: patient.low) }

  init(reason: UInt16) { word = Int64(reason) }

  /// - Parameter image: its form in a log record.
  init(image: Span<UInt8>) { word = Self.digest(1, image) }

  /// - Parameter actor: the form of its identifier in a log record.
  init(actor: Span<UInt8>) { word = Self.digest(2, actor) }

  init(_ image: ImageKey) {
    var form = CanonicalBytes()
    form.append(image: image)
    self.init(image: form.bytes.span)
  }

  init(actor: Identifier) {
    var form = CanonicalBytes()
    form.append(identifier: actor)
    self.init(actor: form.bytes.span)
  }

  private static func digest(_ kind: UInt8, _ form: Span<UInt8>) -> Int64 {
    var hasher = SHA256()
    unsafe withUnsafeBytes(of: kind) { unsafe hasher.update(bufferPointer: $0) }
    unsafe form.withUnsafeBytes { unsafe hasher.update(bufferPointer: $0) }
    return unsafe hasher.finalize().withUnsafeBytes { raw in
      unsafe Int64(bigEndian: raw.loadUnaligned(as: Int64.self))
    }
  }
}

extension DecisionFilter {
  /// Keys, and what of this filter each is to find, so that every matching decision is found by
  /// exactly one; `nil` if only time tells it from others.
  ///
  /// The narrowest field is taken, as far as that can be known beforehand.
  /// INVARIANT: `LogRecordFields` finds each of these keys in the record of a matching decision.
  var lookups: [(key: LookupKey, filter: DecisionFilter)]? {
    if let basisGrant { return [(LookupKey(basisGrant), self)] }
    if let image { return [(LookupKey(image), self)] }
    if let patient { return [(LookupKey(patient), self)] }
    if let actor { return [(LookupKey(actor: actor), self)] }
    guard !primaries.isEmpty, primaries.count <= 16 else { return nil }
    return primaries.map { reason in
      // What has another reason, and comes with a thing of the same word, is found by that one.
      var filter = self
      filter.primaries = [reason]
      return (LookupKey(reason: reason.rawValue), filter)
    }
  }
}
