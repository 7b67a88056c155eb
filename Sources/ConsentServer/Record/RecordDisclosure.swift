import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Records a disclosure made without a check, for the accounting (45 CFR 164.528).
  ///
  /// No decision sees it, so that it has no event and no position of its own in the feed.
  static func recordDisclosure(
    _ service: ConsentService, _ request: Consent_V1_RecordDisclosureRequest, by caller: Principal
  ) async throws -> Consent_V1_RecordDisclosureResponse {
    let calendar = try service.calendars[caller.organization]
    let now = service.clock.now()
    let asked = try RequestReader.read { reader -> (PatientName, Disclosure)? in
      reader.conventions(request)
      return reader.disclosure(request, calendar: calendar, now: now)
    }
    return try await service.record(request, by: caller) { recording in
      var (name, disclosure) = asked
      disclosure.patient = try name.one(in: recording.writer)
      let facts = try recording.writer.facts(patients: [disclosure.patient], asOf: nil)
      guard facts.patients.contains(where: { $0.id == disclosure.patient }) else {
        throw ServiceError.notFound(kind: "patient", name: disclosure.patient.description)
      }
      let own = Set(facts.images.map(\.key))
      if let foreign = disclosure.images.firstIndex(where: { !own.contains($0) }) {
        throw ServiceError.invalid("images[\(foreign)]", "is no image of this patient")
      }
      try recording.writer.put(disclosure: disclosure)
      var response = Consent_V1_RecordDisclosureResponse()
      response.disclosureID = disclosure.id.description
      return response
    }
  }
}

extension RequestReader {
  fileprivate mutating func disclosure(
    _ value: Consent_V1_RecordDisclosureRequest, calendar: LocalCalendar, now: Instant
  ) -> (PatientName, Disclosure)? {
    let name = patient(value.hasPatient ? value.patient : nil, "patient", .required)
    let images = imageKeys(value.images, "images")
    let disclosed = signedTime(
      value.hasDisclosed ? value.disclosed : nil, "disclosed", .required, calendar: calendar)
    let at = disclosed.map { $0.instant ?? calendar.start(of: $0.day) }
    if let at, at > now { refuse("disclosed", "is in the future") }
    let recipient = party(value.hasRecipient ? value.recipient : nil, "recipient", .required)
    let information = text(value.information, "information", .required, limit: .note)
    let purpose = text(value.purpose, "purpose", .required, limit: .note)
    let ground = self.ground(value.ground)
    let paragraph = text(value.hasParagraph ? value.paragraph : nil, "paragraph")
    guard let name, let disclosed, let at, let recipient, let information, let purpose,
      let ground
    else { return nil }
    return (
      name,
      Disclosure(
        id: .random(), patient: PatientID(high: 0, low: 0), images: images, disclosed: disclosed,
        at: at, recipient: recipient, information: information, purpose: purpose, ground: ground,
        paragraph: paragraph)
    )
  }

  private mutating func ground(_ value: Consent_V1_DisclosureGround) -> Disclosure.Ground? {
    switch value {
    case .permittedByLaw: return .permittedByLaw
    case .impermissible: return .impermissible
    case .unspecified, .UNRECOGNIZED:
      refuse("ground", "is required: permitted by law, or impermissible")
      return nil
    }
  }
}
