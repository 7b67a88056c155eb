import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf

extension ConsentService {
  /// Lists logged decisions, the newest first.
  static func listDecisions(
    _ service: ConsentService, _ request: Consent_V1_ListDecisionsRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_ListDecisionsResponse> {
    let asked = try RequestReader.read { $0.decisions(request) }
    return try await service.store.read(caller.organization) { reader in
      let page = try asked.page(in: reader, limits: caller.limits)
      let view = LoggedDecisionView(limits: caller.limits)
      var response = Consent_V1_ListDecisionsResponse()
      response.decisions = try view.told(page.decisions, in: reader)
      response.nextPageToken = page.nextToken
      response.indexedThrough = Google_Protobuf_Timestamp(reader.now)
      response.position = Consent_V1_FeedPosition(reader.head)
      return Shown(
        response, naming: response.decisions.map(\.patientID),
        asked: try asked.patient.map { [try $0.one(in: reader)] } ?? [], subject: asked.subject)
    }
  }
}

struct AskedDecisions: Sendable {
  /// The last decision of the page before.
  struct Place: Codable, Sendable {
    var at: Instant
    var id: DecisionID
  }

  var filter: DecisionFilter
  var patient: PatientName?
  var reasons: Set<Reason>
  var intent: Intent?
  var pageSize: Int
  var place: Place?
  var question: UInt64
  var minPosition: KnownPosition?

  var subject: AccessSubject {
    [
      "period": AccessSubject.period(filter.from, filter.until), "image": filter.image?.text,
      "reasons": reasons.subject(\.name), "effect": filter.effect?.name, "intent": intent?.name,
    ]
  }

  func page(
    in reader: any FactReader, limits: CallerLimits
  ) throws -> (decisions: [LoggedDecision], nextToken: String) {
    try minPosition?.require(in: reader)
    var filter = filter
    if let patient { filter.patient = try patient.one(in: reader) }
    if let place { filter.until = place.at.adding(microseconds: 1) }
    if !reasons.isEmpty {
      filter.primaries = try truePrimaries(in: reader, limits: limits)
      if filter.primaries.isEmpty { return ([], "") }
    }
    var found: [LoggedDecision] = []
    try reader.newestFirst(filter) { logged in
      guard intent.map({ logged.entry.request.intent == $0 }) ?? true,
        place.map({ precedes(logged, $0) }) ?? true
      else { return true }
      found.append(logged)
      return found.count <= pageSize
    }
    guard found.count > pageSize else { return (found, "") }
    found.removeLast()
    guard let last: LoggedDecision = found.last else { return (found, "") }
    let next = Place(at: last.entry.decision.at, id: last.id)
    return (found, PageToken(place: next, question: question).text)
  }

  /// Reasons are asked for as they are shown: a filter by the true one would tell it.
  private func truePrimaries(
    in reader: any FactReader, limits: CallerLimits
  ) throws -> Set<Reason> {
    let holdsPart2 =
      try !limits.seesPart2 && reader.organizationFacts(asOf: nil).organizationHoldsPart2
    return Set(
      Reason.allCases.filter { reason in
        let decision = Decision(effect: .deny, primary: reason, at: .distantPast)
        return reasons.contains(decision.masked(for: limits, holdsPart2: holdsPart2).primary)
      })
  }

  private func precedes(_ logged: LoggedDecision, _ place: Place) -> Bool {
    let at = logged.entry.decision.at
    return (at, logged.id.log, logged.id.leaf) < (place.at, place.id.log, place.id.leaf)
  }
}

extension FactReader {
  /// Goes through logged decisions from the newest to the oldest, until `body` returns false.
  ///
  /// The store lists them by time, oldest first; so they are read in spans of time that grow where
  /// little is found and shrink where a span holds more than is read at once.
  func newestFirst(
    _ filter: DecisionFilter, _ body: (LoggedDecision) throws -> Bool
  ) throws {
    let most = 2_000
    guard let oldest = try decisions(filter, limit: 1).first?.entry.decision.at else { return }
    // Decisions of this very instant are within the first span.
    var until = filter.until ?? max(now, head.known).adding(microseconds: 1)
    var span = Int64.microsecondsPerHour
    while until > oldest {
      var window = filter
      window.from = max(until.adding(microseconds: -span), oldest)
      window.until = until
      var found = try decisions(window, limit: most)
      if found.count == most, span > 1 {
        span = max(1, span / 8)
        continue
      }
      // The decisions of a batch are of one instant, which no shorter span parts: only a longer
      // list holds them all. Bounded: a batch is far smaller than the last limit.
      var limit = most
      while found.count == limit, limit < 2_000_000 {
        limit *= 2
        found = try decisions(window, limit: limit)
      }
      for logged in found.reversed() where try !body(logged) { return }
      until = window.from ?? oldest
      span = span > .microsecondsPerDay * 1_000 ? span : span * 4
    }
  }
}

extension RequestReader {
  mutating func decisions(_ value: Consent_V1_ListDecisionsRequest) -> AskedDecisions? {
    let period = period(value.hasPeriod ? value.period : nil, "period")
    let patient = patient(value.hasPatient ? value.patient : nil, "patient")
    let image = imageKey(value.hasImage ? value.image : nil, "image")
    let actor = identifier(value.hasActor ? value.actor : nil, "actor")
    let reasons = words(value.reasons, "reasons", as: Reason.self)
    let effect = word(value.effect, "effect", .optional, as: Effect.self)
    let intent = word(value.intent, "intent", .optional, as: Intent.self)
    let size = pageSize(value.pageSize)
    var asked = value
    asked.pageSize = 0
    asked.pageToken = ""
    asked.clearMinPosition()
    let question = PageToken<AskedDecisions.Place>.question(asked)
    let place = place(value.pageToken, of: question, as: AskedDecisions.Place.self)
    return AskedDecisions(
      filter: DecisionFilter(
        from: period.from, until: period.until, image: image, effect: effect, actor: actor,
        usesOnly: intent == .use),
      patient: patient, reasons: Set(reasons), intent: intent, pageSize: size,
      place: place, question: question,
      minPosition: minPosition(value.hasMinPosition ? value.minPosition : nil))
  }
}
