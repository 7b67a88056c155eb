import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Records a determination that an image is de-identified (45 CFR 164.514(b)), complete or not,
  /// and says whether it is in force.
  static func recordDeidentification(
    _ service: ConsentService, _ request: Consent_V1_RecordDeidentificationRequest,
    by caller: Principal
  ) async throws -> Consent_V1_RecordDeidentificationResponse {
    let calendar = try service.calendars[caller.organization]
    let determination = try RequestReader.read { reader -> Determination? in
      reader.conventions(request)
      guard request.hasDetermination else {
        reader.refuse("determination", "is required")
        return nil
      }
      return reader.determination(
        request.determination, "determination", id: .random(), calendar: calendar)
    }
    return try await service.record(request, by: caller) { recording in
      let image = determination.image
      let facts = try recording.writer.facts(images: [image], asOf: nil)
      let change = try CommandFields.named {
        try recording.builder(facts).recordDeidentification(determination)
      }
      try recording.writer.append(change)
      let identification = Identification(
        of: image, facts: try recording.writer.facts(images: [image], asOf: nil),
        at: recording.now)
      var response = Consent_V1_RecordDeidentificationResponse()
      response.determinationID = determination.id.description
      response.inForce = identification.determination == determination.id
      if !response.inForce, let failure = identification.failure {
        response.reasons = [Consent_V1_ReasonDetail(failure)]
      }
      return response
    }
  }
}
