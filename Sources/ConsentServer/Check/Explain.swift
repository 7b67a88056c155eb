import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf

extension ConsentService {
  /// Explains a logged decision by taking it again, or tells what would be decided at given times.
  /// Not a permission to use anything, and logged as an access alone.
  static func explain(
    _ service: ConsentService, _ request: Consent_V1_ExplainRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_ExplainResponse> {
    let now = service.clock.now()
    let (subject, position) = try RequestReader.read { reader in
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return reader.explained(request.subject, now: now).map { ($0, position) }
    }
    return try await service.store.read(caller.organization) { reader in
      try position?.require(in: reader)
      switch subject {
      case .logged(let id):
        guard let logged = try reader.decision(id) else {
          throw ServiceError.notFound(kind: "decision", name: id.text)
        }
        return try Explanation(logged, in: reader)
          .shown(to: caller.limits, in: reader, subject: ["decision": id.text])
      case .hypothetical(let question, let effective, let known):
        return try Explanation(
          question, effective: effective, known: known, caller: caller.limits, in: reader
        ).shown(
          to: caller.limits, in: reader, subject: ["hypothetical": question.request.image.text])
      }
    }
  }
}

enum ExplainedSubject: Sendable {
  case logged(DecisionID)
  case hypothetical(Question, effective: Instant?, known: Instant?)
}

/// A decision taken for an explanation.
struct Explanation {
  var request: CheckRequest
  /// As it was answered, or would be.
  var decision: Decision
  var facts: Facts
  var factsHead: FeedHead
  var logged: LoggedDecision?

  /// Takes a logged decision again, at its own position and instant.
  ///
  /// INVARIANT (I7): the same request, facts, time and rules version give the same decision.
  /// - Throws: `.replayDiffers` if it comes out otherwise.
  init(_ logged: LoggedDecision, in reader: any FactReader) throws {
    let entry = logged.entry
    guard entry.decision.rulesVersion == Decision.currentRulesVersion else {
      throw ServiceError.failedPrecondition(
        reason: "RULES_VERSION",
        "it was decided by rules version \(entry.decision.rulesVersion); ask a server of that time")
    }
    let position = entry.decision.position
    let images = entry.group?.images ?? [entry.request.image]
    facts = try reader.facts(images: images, asOf: position)
    let again: Decision
    if let group = entry.group {
      again = decideGroup(
        GroupRequest(
          question: entry.request, images: group.images, expectedCount: group.expectedCount),
        caller: entry.limits, facts: facts, at: entry.decision.at
      ).summary(facts: facts)
    } else {
      again = decide(entry.request, caller: entry.limits, facts: facts, at: entry.decision.at)
    }
    let differences = again.differences(from: entry.decision)
    guard differences.isEmpty else { throw ServiceError.replayDiffers(differences) }
    request = entry.request
    decision = entry.decision
    factsHead = try reader.head(at: position) ?? logged.head
    self.logged = logged
  }

  init(
    _ question: Question, effective: Instant?, known: Instant?, caller: CallerLimits,
    in reader: any FactReader
  ) throws {
    let knownAt = known ?? reader.now
    let position = try known.map { try reader.position(knownAt: $0) } ?? reader.head.position
    facts = try reader.facts(images: [question.request.image], asOf: position)
    request = try question.resolved(in: reader, facts: facts)
    decision = decide(request, caller: caller, facts: facts, at: effective ?? knownAt)
    factsHead = try reader.head(at: position) ?? reader.head
  }

  func shown(
    to limits: CallerLimits, in reader: any FactReader, subject: AccessSubject
  ) throws -> Shown<Consent_V1_ExplainResponse> {
    let today = try reader.facts(images: [request.image], asOf: nil)
    // What is known today decides over what may be seen: the mark may have come later.
    let visible = decision.masked(
      for: limits, holdsPart2: facts.organizationHoldsPart2 || today.organizationHoldsPart2)
    var response = Consent_V1_ExplainResponse()
    if let logged {
      response.decision = Consent_V1_Decision(logged: logged, visible: visible)
    } else {
      response.decision = Consent_V1_Decision(visible, request: request)
      response.decision.position = Consent_V1_FeedPosition(factsHead)
    }
    response.request = Consent_V1_UseRequest(request)
    response.ladder = visible.ladder
    response.effectiveAt = Google_Protobuf_Timestamp(decision.at)
    response.factsPosition = Consent_V1_FeedPosition(factsHead)
    response.restsOnRecordInError = logged != nil && decision.restsOnRecordInError(today)
    response.position = Consent_V1_FeedPosition(reader.head)
    return Shown(response, of: patients, subject: subject)
  }
}

extension Explanation {
  /// Whose records it rests on: nobody's if the image is de-identified.
  private var patients: Set<PatientID> {
    guard decision.primary != .notPHIDeidentified else { return [] }
    let holder = logged?.entry.patient ?? facts.current(request.image)?.patient
    return Set([request.loggedPatient(holder: holder)].compactMap { $0 })
  }
}

extension Decision {
  /// What tells two decisions apart, in words for an error.
  func differences(from other: Decision) -> [String] {
    var parts: [String] = []
    if effect != other.effect { parts.append("effect") }
    if primary != other.primary { parts.append("primary reason") }
    if further != other.further { parts.append("further reasons") }
    if records != other.records { parts.append("records") }
    if obligations != other.obligations { parts.append("obligations") }
    if validUntil != other.validUntil { parts.append("valid_until") }
    if policyVersion != other.policyVersion { parts.append("policy version") }
    return parts
  }

  /// Whether a record that spoke has since been entered in error.
  func restsOnRecordInError(_ facts: Facts) -> Bool {
    let wrong = Set(facts.enteredInError.map(\.target))
    return records.contains { wrong.contains($0.record) }
  }
}

extension RequestReader {
  mutating func explained(
    _ subject: Consent_V1_ExplainRequest.OneOf_Subject?, now: Instant
  ) -> ExplainedSubject? {
    switch subject {
    case nil:
      refuse("subject", "is required: a decision_id or a hypothetical")
      return nil
    case .decisionID(let text)?: return decisionID(text, "decision_id").map { .logged($0) }
    case .hypothetical(let value)?:
      return within("hypothetical") { reader in
        let question = reader.within("request") { $0.completeQuestion(value.request, now: now) }
        let effective = reader.instant(
          value.hasEffectiveAt ? value.effectiveAt : nil, "effective_at")
        let known = reader.instant(value.hasKnownAt ? value.knownAt : nil, "known_at")
        if let known, known > now { reader.refuse("known_at", "is in the future") }
        return question.map { .hypothetical($0, effective: effective, known: known) }
      }
    }
  }

  mutating func decisionID(_ text: String, _ field: StaticString) -> DecisionID? {
    guard !text.isEmpty else {
      refuse(field, "is required")
      return nil
    }
    let id = DecisionID(text: text)
    if id == nil { refuse(field, "is not the id of a decision; give it back as it was answered") }
    return id
  }
}
