import ConsentCore
import ConsentProto
import SwiftProtobuf

/// What a line of a paper needs to know of its paper.
struct GrantContext {
  var part: UInt8
  /// The first instant of the paper's day of signing, or its instant; of receipt if undated.
  var signing: Instant
  var calendar: LocalCalendar
}

extension RequestReader {
  /// One line of a paper. Reads an element of a repeated field: the path is its index already.
  mutating func grant(
    _ value: Consent_V1_GrantTerms, id: GrantID, context: GrantContext
  ) -> Grant? {
    let effect = word(value.effect, "effect", .required, as: GrantEffect.self)
    let scope = scope(value.hasScope ? value.scope : nil, "scope")
    let presentOnly = presentOnly(value.reach)
    var uses = set(value.uses, "uses", as: Use.self)
    var audiences = set(value.audiences, "audiences", as: Audience.self)
    let channels = set(value.channels, "channels", as: Channel.self)
    let recipients = parties(value.recipients, "recipients")
    let disclosers = parties(value.disclosers, "disclosers")
    let from = signedTime(
      value.hasEffectiveFrom ? value.effectiveFrom : nil, "effective_from",
      calendar: context.calendar)
    let expiry = expiry(value.hasExpiry ? value.expiry : nil, "expiry", context.calendar)
    let obligations = paperObligations(value)
    guard let effect, let scope else { return nil }
    if effect == .deny {
      // A deny that names no use or audience is meant against every one.
      if uses.isEmpty { uses = .all }
      if audiences.isEmpty { audiences = .all }
    }
    let effectiveFrom = effectiveFrom(from, context)
    if case .date(_, let until) = expiry, until <= effectiveFrom {
      refuse("expiry", "is before the line takes effect")
    }
    return Grant(
      id: id, part: context.part, effect: effect, scope: scope, presentOnly: presentOnly,
      uses: uses, audiences: audiences, recipients: recipients, disclosers: disclosers,
      channels: channels.isEmpty ? nil : channels, effectiveFrom: effectiveFrom, expiry: expiry,
      withoutDerivatives: value.thisImageOnly, obligations: obligations)
  }

  /// A line that states the day of signing takes effect with the signature, not before it.
  private mutating func effectiveFrom(_ stated: SignedTime?, _ context: GrantContext) -> Instant {
    guard let stated else { return context.signing }
    let from = stated.instant ?? context.calendar.start(of: stated.day)
    if from >= context.signing { return from }
    if stated.instant == nil, stated.day == context.calendar.day(of: context.signing) {
      return context.signing
    }
    refuse("effective_from", "is before the signing; a paper cannot take effect earlier")
    return context.signing
  }

  /// A limit that would be lost must not be taken: the permit would then be wider than the paper.
  private mutating func paperObligations(_ value: Consent_V1_GrantTerms) -> [Obligation] {
    if value.hasRegion, !value.region.isEmpty {
      refuse(
        "region",
        "cannot be kept by this version; describe it in information_described and set the "
          + "obligation CROP_TO_REGION alone")
    }
    return each(value.obligations, "obligations", atMost: 16) { reader, kind in
      guard let obligation = Obligation(kind) else {
        reader.refuse("is not an obligation that a paper can set")
        return nil
      }
      return obligation
    }
  }

  mutating func scope(_ value: Consent_V1_Scope?, _ field: StaticString) -> Scope? {
    guard let scope = value?.scope else {
      refuse(field, "is required: an image, a series, a study or the patient")
      return nil
    }
    return within(field) { reader in
      switch scope {
      case .image(let key): return reader.imageKey(key, "image", .required).map(Scope.image)
      case .seriesInstanceUid(let uid):
        return reader.requiredUID(uid, "series_instance_uid").map(Scope.series)
      case .studyInstanceUid(let uid):
        return reader.requiredUID(uid, "study_instance_uid").map(Scope.study)
      case .patient: return .patient
      }
    }
  }

  mutating func requiredUID(_ value: String, _ field: StaticString) -> String? {
    guard !value.isEmpty else {
      refuse(field, "is required")
      return nil
    }
    return uid(value, field)
  }

  /// Not stated is the narrower reading.
  private mutating func presentOnly(_ value: Consent_V1_Reach) -> Bool {
    switch value {
    case .unspecified, .presentOnly: return true
    case .presentAndFuture: return false
    case .UNRECOGNIZED:
      refuse("reach", "is not a value that this version knows")
      return true
    }
  }

  /// A paper that does not say when it ends is kept as one that says "none": lawful for research
  /// only, and a missing element of any other authorization (45 CFR 164.508(c)(1)(v)).
  private mutating func expiry(
    _ value: Consent_V1_Expiry?, _ field: StaticString, _ calendar: LocalCalendar
  ) -> Expiry {
    guard let expiry = value?.expiry else { return .none }
    return within(field) { reader in
      switch expiry {
      case .until(let day):
        reader.localDay(day, "until").map { .date($0, until: calendar.end(of: $0)) } ?? .none
      case .expiryEventID(let id):
        reader.id(id, "expiry_event_id", of: ExpiryEvent.self).map(Expiry.event) ?? .none
      case .atMajority: .majority
      case .none: .none
      }
    }
  }
}

extension Consent_V1_Scope {
  init(_ scope: Scope) {
    self.init()
    switch scope {
    case .image(let key): image = Consent_V1_ImageKey(key)
    case .series(let uid): seriesInstanceUid = uid
    case .study(let uid): studyInstanceUid = uid
    case .patient: patient = Consent_V1_WholePatient()
    }
  }
}

extension Consent_V1_Expiry {
  init(_ expiry: Expiry) {
    self.init()
    switch expiry {
    case .date(let day, _): until = Consent_V1_LocalDay(day)
    case .event(let id): expiryEventID = id.description
    case .majority: atMajority = Consent_V1_ExpiresAtMajority()
    case .none: none = Consent_V1_ExpiresNever()
    }
  }
}

extension Consent_V1_GrantTerms {
  init(_ grant: Grant) {
    self.init()
    effect = grant.effect.proto()
    scope = Consent_V1_Scope(grant.scope)
    reach = grant.presentOnly ? .presentOnly : .presentAndFuture
    uses = grant.uses.proto()
    audiences = grant.audiences.proto()
    recipients = grant.recipients.map(Consent_V1_Party.init)
    disclosers = grant.disclosers.map(Consent_V1_Party.init)
    channels = grant.channels?.proto() ?? []
    effectiveFrom.instant = Google_Protobuf_Timestamp(grant.effectiveFrom)
    expiry = Consent_V1_Expiry(grant.expiry)
    thisImageOnly = grant.withoutDerivatives
    obligations = grant.obligations.map(\.kind)
  }
}

extension Consent_V1_Grant {
  /// - Parameter until: the first instant at which it no longer holds, as far as known.
  init(
    _ grant: Grant, of instrument: InstrumentID, state: Consent_V1_GrantState, until: Instant?
  ) {
    self.init()
    grantID = grant.id.description
    instrumentID = instrument.description
    partNumber = UInt32(grant.part)
    terms = Consent_V1_GrantTerms(grant)
    version = 1
    self.state = state
    effectiveFrom = Google_Protobuf_Timestamp(grant.effectiveFrom)
    if let until = Google_Protobuf_Timestamp(finite: until) { effectiveUntil = until }
  }
}
