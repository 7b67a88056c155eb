import ConsentCore
import ConsentProto
import Foundation
import SwiftProtobuf

/// What a paper needs to know besides its fields.
struct InstrumentContext {
  var id: InstrumentID
  var patient: PatientID
  var calendar: LocalCalendar
  /// Stands for `received_at` where staff stated none.
  var now: Instant
  /// SHA-256 (hexadecimal) of the scans named by `document_ids`, in their order.
  var scans: [String] = []
}

extension RequestReader {
  /// A paper as staff enter it. Statements of a named form are the recorder's to put in, from the
  /// form; defects are the validation's to find.
  mutating func instrument(
    _ value: Consent_V1_InstrumentFields, _ field: StaticString, context: InstrumentContext
  ) -> Instrument? {
    within(field) { reader in
      let calendar = context.calendar
      let kind = reader.word(value.kind, "kind", .required, as: InstrumentKind.self)
      let (form, statements) = reader.formOrStatements(value.text)
      let signer = reader.signer(value.hasSigner ? value.signer : nil, "signer")
      let signed = reader.signedTime(
        value.hasSigned ? value.signed : nil, "signed", calendar: calendar)
      let received =
        reader.instant(value.hasReceivedAt ? value.receivedAt : nil, "received_at") ?? context.now
      let description = reader.text(
        value.informationDescribed, "information_described", .optional, limit: .note)
      let isSigned = reader.stated(value.signaturePresent, "signature_present") ?? false
      let scan = reader.scan(value, context.scans)
      reader.checkPatientNamed(value, kind)
      if received > context.now { reader.refuse("received_at", "is in the future") }
      if let signed, signed.isAfter(context.now, calendar) {
        reader.refuse("signed", "is in the future")
      }
      var paper = Instrument(
        id: context.id, patient: context.patient, kind: kind ?? .authorization, form: form,
        statements: statements, informationDescription: description ?? "", signer: signer,
        isSigned: isSigned, signed: signed, receivedDay: calendar.day(of: received),
        received: received, documentSHA256: scan)
      reader.readParts(value.parts, into: &paper, calendar)
      return kind == nil ? nil : paper
    }
  }

  private mutating func formOrStatements(
    _ text: Consent_V1_InstrumentFields.OneOf_Text?
  ) -> (Form.Reference?, Statements) {
    switch text {
    case nil: (nil, Statements())
    case .form(let form)?: (formReference(form, "form"), Statements())
    case .statements(let statements)?: (nil, self.statements(statements, "statements"))
    }
  }

  mutating func formReference(
    _ value: Consent_V1_FormReference, _ field: StaticString
  ) -> Form.Reference? {
    within(field) { reader in
      let id = reader.text(value.formID, "form_id", .required)
      let version = reader.text(value.version, "version", .required)
      guard let id, let version else { return nil }
      return Form.Reference(id: id, version: version)
    }
  }

  mutating func statements(
    _ value: Consent_V1_FormStatements, _ field: StaticString
  ) -> Statements {
    within(field) { reader in
      Statements(
        rightToRevoke: reader.stated(value.rightToRevoke, "right_to_revoke"),
        conditioning: reader.stated(value.conditioning, "conditioning"),
        redisclosure: reader.stated(value.redisclosure, "redisclosure"))
    }
  }

  /// Without a capacity on the paper the signer is a representative whose authority stands on
  /// nothing but the words, which are a missing element if blank: never the individual.
  mutating func signer(_ value: Consent_V1_Signer?, _ field: StaticString) -> Signer {
    guard let value else { return Signer(capacity: .otherRepresentative) }
    return within(field) { reader in
      let capacity = reader.capacity(value.capacity)
      let identity = reader.identifier(
        value.hasRepresentative ? value.representative : nil, "representative")
      let description = reader.text(
        value.hasAuthorityDescription ? value.authorityDescription : nil, "authority_description",
        limit: .note)
      let uses = reader.set(value.authorityUses, "authority_uses", as: Use.self)
      let from = reader.localDay(
        value.hasAuthorityFrom ? value.authorityFrom : nil, "authority_from")
      let through = reader.localDay(
        value.hasAuthorityThrough ? value.authorityThrough : nil, "authority_through")
      if let from, let through, through < from {
        reader.refuse("authority_through", "is before authority_from")
      }
      let verifiedBy = reader.text(value.hasVerifiedBy ? value.verifiedBy : nil, "verified_by")
      return Signer(
        capacity: capacity, identity: identity, authorityDescription: description ?? "",
        authorityUses: uses.isEmpty ? nil : uses, authorityFrom: from,
        authorityUntil: through.map { LocalDay(daysSince1970: $0.daysSince1970 &+ 1) },
        verifiedBy: verifiedBy)
    }
  }

  /// An emancipated minor signs as an adult does (45 CFR 164.502(g)(2)): the individual.
  private mutating func capacity(_ value: Consent_V1_SignerCapacity) -> SignerCapacity {
    if value == .emancipatedMinor { return .individual }
    return word(value, "capacity", .optional, as: SignerCapacity.self) ?? .otherRepresentative
  }

  private mutating func scan(
    _ value: Consent_V1_InstrumentFields, _ scans: [String]
  ) -> String? {
    guard value.documentIds.count <= 1 else {
      refuse("document_ids", "names more than one scan; this version keeps one of a paper")
      return nil
    }
    if value.documentIds.count != scans.count {
      refuse("document_ids", "names a document that is not stored here; store it first")
    }
    return scans.first
  }

  private mutating func checkPatientNamed(
    _ value: Consent_V1_InstrumentFields, _ kind: InstrumentKind?
  ) {
    let named = stated(value.patientNamed, "patient_named")
    if kind == .part2Consent, named != true {
      refuse(
        "patient_named",
        "a Part 2 consent without the patient's name (42 CFR 2.31(a)(1)) cannot be kept apart from "
          + "a complete one by this version; look at the paper and say yes, or do not record it")
    }
  }

  private mutating func readParts(
    _ parts: [Consent_V1_InstrumentPart], into paper: inout Instrument, _ calendar: LocalCalendar
  ) {
    if parts.isEmpty { refuse("parts", "is required: at least one") }
    let signed = paper.signedOrReceived
    let signing = signed.instant ?? calendar.start(of: signed.day)
    var numbers: Set<UInt8> = []
    var compound: [UInt8] = []
    var conditioned: [UInt8] = []
    let grants = each(parts, "parts", atMost: 255) { reader, part -> [Grant]? in
      guard let number = UInt8(exactly: part.number), number > 0 else {
        reader.refuse("number", "is not 1 to 255")
        return nil
      }
      if !numbers.insert(number).inserted { reader.refuse("number", "is not unique in the paper") }
      if reader.stated(part.compound, "compound") == true { compound.append(number) }
      if reader.stated(part.conditioned, "conditioned") == true { conditioned.append(number) }
      let context = GrantContext(part: number, signing: signing, calendar: calendar)
      return reader.each(part.grants, "grants", atMost: 255) { reader, terms in
        reader.grant(terms, id: .random(), context: context)
      }
    }
    paper.compoundParts = compound
    paper.conditionedParts = conditioned
    paper.grants = grants.flatMap { $0 }
  }
}

extension SignedTime {
  /// Whether the day, or the instant, has not come at `now`.
  func isAfter(_ now: Instant, _ calendar: LocalCalendar) -> Bool {
    instant.map { $0 > now } ?? (day > calendar.day(of: now))
  }
}

extension Consent_V1_FormStatements {
  init(_ statements: Statements) {
    self.init()
    rightToRevoke = Consent_V1_Stated(statements.rightToRevoke)
    conditioning = Consent_V1_Stated(statements.conditioning)
    redisclosure = Consent_V1_Stated(statements.redisclosure)
  }
}

extension Consent_V1_FormReference {
  init(_ reference: Form.Reference) {
    self.init()
    formID = reference.id
    version = reference.version
  }
}

extension Consent_V1_Form {
  init(_ form: Form) {
    self.init()
    formID = form.reference.id
    version = form.reference.version
    title = form.title
    kind = form.kind.proto()
    statements = Consent_V1_FormStatements(form.statements)
  }
}

extension Consent_V1_Signer {
  init(_ signer: Signer) {
    self.init()
    capacity = signer.capacity.proto()
    if let identity = signer.identity { representative = Consent_V1_Identifier(identity) }
    if !signer.authorityDescription.isEmpty { authorityDescription = signer.authorityDescription }
    authorityUses = signer.authorityUses?.proto() ?? []
    if let from = signer.authorityFrom { authorityFrom = Consent_V1_LocalDay(from) }
    if let until = signer.authorityUntil {
      authorityThrough = Consent_V1_LocalDay(LocalDay(daysSince1970: until.daysSince1970 &- 1))
    }
    if let verifiedBy = signer.verifiedBy { self.verifiedBy = verifiedBy }
  }
}

extension Consent_V1_InstrumentFields {
  init(_ paper: Instrument) {
    self.init()
    kind = paper.kind.proto()
    if let form = paper.form {
      self.form = Consent_V1_FormReference(form)
    } else {
      statements = Consent_V1_FormStatements(paper.statements)
    }
    signer = Consent_V1_Signer(paper.signer)
    if let signed = paper.signed { self.signed = Consent_V1_SignedTime(signed) }
    receivedAt = Google_Protobuf_Timestamp(paper.received)
    parts = Set(paper.grants.map(\.part) + paper.compoundParts + paper.conditionedParts).sorted()
      .map { number in
        var part = Consent_V1_InstrumentPart()
        part.number = UInt32(number)
        part.compound = Consent_V1_Stated(paper.compoundParts.contains(number))
        part.conditioned = Consent_V1_Stated(paper.conditionedParts.contains(number))
        part.grants = paper.grants.filter { $0.part == number }.map(Consent_V1_GrantTerms.init)
        return part
      }
    informationDescribed = paper.informationDescription
    signaturePresent = Consent_V1_Stated(paper.isSigned)
  }
}

extension Consent_V1_Instrument {
  /// Grants, defects in words, work items and related records are the caller's to add.
  init(_ paper: Instrument) {
    self.init()
    instrumentID = paper.id.description
    patientID = paper.patient.description
    fields = Consent_V1_InstrumentFields(paper)
    recordedAt = Google_Protobuf_Timestamp(paper.stamp.recorded)
    recordedBy.value = paper.stamp.by
    version = 1
  }
}

extension Consent_V1_ExpiryEvent {
  /// - Parameter resolution: the record that it occurred; `nil` while it has not.
  init(_ event: ExpiryEvent, resolution: ExpiryEventResolution?, calendar: LocalCalendar) {
    self.init()
    expiryEventID = event.id.description
    name = event.definition
    if let patient = event.patient { patientID = patient.description }
    if let by = event.expectedBy { expectedOn = Consent_V1_LocalDay(calendar.day(of: by)) }
    if let resolution { occurred.instant = Google_Protobuf_Timestamp(resolution.occurred) }
  }
}
