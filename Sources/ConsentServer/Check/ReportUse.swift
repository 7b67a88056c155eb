import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Records what was done, or not done, after a decision or without one.
  static func reportUse(
    _ service: ConsentService, _ request: Consent_V1_ReportUseRequest, by caller: Principal
  ) async throws -> Consent_V1_ReportUseResponse {
    let now = service.clock.now()
    let (report, position) = try RequestReader.read { reader in
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return reader.reportedUse(request, now: now).map { ($0, position) }
    }
    return try await service.write(request, key: request.idempotencyKey, by: caller) { writer in
      try position?.require(in: writer)
      var response = Consent_V1_ReportUseResponse()
      response.useReportID = report.id.description
      switch report.subject {
      case .decision(let id):
        guard let logged = try writer.decision(id) else {
          throw ServiceError.notFound(kind: "decision", name: id.text)
        }
        let images = logged.entry.group?.images ?? [logged.entry.request.image]
        try writer.put(
          useReports: images.enumerated().map { index, image in
            var asked = logged.entry.request
            asked.image = image
            return try report.use(of: asked, decision: id, number: index)
          })
      case .undecided(let question):
        let facts = try writer.facts(images: [question.request.image], asOf: nil)
        let asked = try question.resolved(in: writer, facts: facts)
        try writer.put(useReports: [try report.use(of: asked, decision: nil, number: 0)])
        let hindsight = decide(asked, caller: caller.limits, facts: facts, at: report.happened)
          .masked(for: caller.limits, holdsPart2: facts.organizationHoldsPart2)
        response.hindsight = Consent_V1_Decision(hindsight, request: asked)
        response.hindsight.position = Consent_V1_FeedPosition(writer.head)
      }
      return response
    } positioned: {
      $0.position = Consent_V1_FeedPosition($1)
    }
  }
}

/// A report as a caller makes it.
struct ReportedUse: Sendable {
  enum Subject: Sendable {
    case decision(DecisionID)
    case undecided(Question)
  }

  var id: ID<UseReport>
  var subject: Subject
  var wasUsed: Bool
  var happened: Instant
  var note: String

  /// - Parameter number: of the image within a group; each has a report of its own.
  func use(of request: CheckRequest, decision: DecisionID?, number: Int) throws -> UseReport {
    guard let use = request.use, let audience = request.audience, let channel = request.channel,
      let actor = request.actor
    else {
      throw ServiceError.failedPrecondition(
        reason: "DECISION_INCOMPLETE",
        "the decision was a DENY for want of a field; report the use without its id")
    }
    return UseReport(
      id: ID(high: id.high, low: id.low &+ UInt64(number)), decision: decision,
      image: request.image, use: use, audience: audience, channel: channel, actor: actor,
      recipient: request.recipient, happened: happened, wasUsed: wasUsed, note: note)
  }
}

extension RequestReader {
  mutating func reportedUse(
    _ value: Consent_V1_ReportUseRequest, now: Instant
  ) -> ReportedUse? {
    let explanation = reportExplanation(value)
    let subject = reportSubject(value.subject, now: now)
    let happened = instant(value.hasOccurredAt ? value.occurredAt : nil, "occurred_at")
    if let happened, happened > now { refuse("occurred_at", "is in the future") }
    let note = text(value.hasNote ? value.note : nil, "note", limit: .note)
    var words = [explanation, note].compactMap { $0 }
    let wasUsed: Bool
    switch value.outcome {
    case .done: wasUsed = true
    case .notDone: wasUsed = false
    case .obligationUnmet:
      wasUsed = true
      // The report keeps this outcome in its words, at a fixed place.
      words.insert("OBLIGATION_UNMET", at: 0)
    case .unspecified, .UNRECOGNIZED:
      refuse("outcome", "is required: done, not done, or done with an obligation unmet")
      return nil
    }
    guard let subject else { return nil }
    return ReportedUse(
      id: .random(), subject: subject, wasUsed: wasUsed, happened: happened ?? now,
      note: words.joined(separator: "; "))
  }

  private mutating func reportSubject(
    _ subject: Consent_V1_ReportUseRequest.OneOf_Subject?, now: Instant
  ) -> ReportedUse.Subject? {
    switch subject {
    case nil:
      refuse("subject", "is required: a decision_id, or the use made without one")
      return nil
    case .decisionID(let text)?: return decisionID(text, "decision_id").map { .decision($0) }
    case .undecided(let value)?:
      return within("undecided") { reader in
        reader.within("request") { $0.completeQuestion(value.request, now: now) }
          .map { .undecided($0) }
      }
    }
  }

  private mutating func reportExplanation(_ value: Consent_V1_ReportUseRequest) -> String? {
    guard case .undecided(let undecided)? = value.subject else { return nil }
    return within("undecided") {
      $0.text(undecided.explanation, "explanation", .required, limit: .note)
    }
  }
}
