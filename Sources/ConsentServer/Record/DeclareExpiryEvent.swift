import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Declares a named event on which grants may end.
  static func declareExpiryEvent(
    _ service: ConsentService, _ request: Consent_V1_DeclareExpiryEventRequest,
    by caller: Principal
  ) async throws -> Consent_V1_DeclareExpiryEventResponse {
    let calendar = try service.calendars[caller.organization]
    let asked = try RequestReader.read { reader -> (PatientName?, ExpiryEvent)? in
      reader.conventions(request)
      let name = reader.text(request.name, "name", .required)
      let patient = reader.patient(request.hasPatient ? request.patient : nil, "patient")
      let day = reader.localDay(request.hasExpectedOn ? request.expectedOn : nil, "expected_on")
      return name.map {
        // Expected by a day: overdue once the day has passed.
        (
          patient,
          ExpiryEvent(
            id: .random(), patient: nil, definition: $0, expectedBy: day.map(calendar.end(of:)))
        )
      }
    }
    return try await service.record(request, by: caller) { recording in
      var (name, event) = asked
      event.patient = try name?.one(in: recording.writer)
      let facts =
        if let patient = event.patient {
          try recording.writer.facts(patients: [patient], asOf: nil)
        } else {
          try recording.writer.organizationFacts(asOf: nil)
        }
      let change = try CommandFields.named { [event] in
        try recording.builder(facts).declareExpiryEvent(event)
      }
      try recording.writer.append(change)
      var response = Consent_V1_DeclareExpiryEventResponse()
      response.expiryEvent = Consent_V1_ExpiryEvent(
        event, resolution: nil, calendar: recording.calendar)
      response.expiryEvent.setExpected(request)
      return response
    }
  }
}

extension Consent_V1_ExpiryEvent {
  /// The day as stated: what is kept is the midnight after it.
  fileprivate mutating func setExpected(_ request: Consent_V1_DeclareExpiryEventRequest) {
    if request.hasExpectedOn { expectedOn = request.expectedOn }
  }
}
