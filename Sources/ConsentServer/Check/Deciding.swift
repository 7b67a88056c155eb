import Checking
import ConsentCore
import ConsentStore
import Synchronization

/// Decides single images: facts, decision, and what is to be logged of it.
struct Deciding: Sendable {
  let questions: [Question]
  let caller: Principal
  let minPosition: KnownPosition?

  /// One entry for each question, in their order, all from the same view.
  func entries(in reader: any FactReader) throws -> (entries: [DecisionEntry], holdsPart2: Bool) {
    try minPosition?.require(in: reader)
    guard questions.count > 1, !reader.hasFactsOfEachImage else {
      var holdsPart2 = false
      let entries = try questions.map { question in
        let image = try reader.imageCase(question.request.image)
        holdsPart2 = image.organizationHoldsPart2
        return try entry(question, holder: image.latestPatient, in: reader) {
          decide(
            $0, caller: caller.limits, on: image, position: reader.head.position, at: reader.now)
        }
      }
      return (entries, holdsPart2)
    }
    // Many questions would each look through all the images, so they share an index of them.
    let facts = try reader.facts(images: questions.map(\.request.image), asOf: nil)
    let known = IndexedFacts(facts)
    let entries = try questions.map { question in
      let holder = known.currentImage(question.request.image)?.patient
      return try entry(question, holder: holder, in: reader) {
        decide($0, caller: caller.limits, facts: known, at: reader.now)
      }
    }
    return (entries, facts.organizationHoldsPart2)
  }

  private func entry(
    _ question: Question, holder: PatientID?, in reader: any FactReader,
    _ decide: (CheckRequest) -> Decision
  ) throws -> DecisionEntry {
    let request = try question.resolved(in: reader, holder: holder)
    return DecisionEntry(
      caller: caller.name, limits: caller.limits, request: request, decision: decide(request),
      patient: request.loggedPatient(holder: holder))
  }
}

/// What a check answers: the logged decisions, and whether the caller is told less.
struct Answered: Sendable {
  var logged: [LoggedDecision]
  /// The organization holds Part 2 images, so that more reasons are masked.
  var holdsPart2: Bool

  /// What the caller may see of each.
  func visible(to limits: CallerLimits) -> [Decision] {
    logged.map { $0.entry.decision.masked(for: limits, holdsPart2: holdsPart2) }
  }
}

extension ConsentService {
  /// Decides and logs. Nothing returns before its record is durable.
  ///
  /// An emergency override is written under the organization's lock, in one transaction with its
  /// event; everything else takes the path of checks.
  func answer(_ deciding: Deciding) async throws -> Answered {
    let organization = deciding.caller.organization
    let holdsPart2 = Flag()
    if deciding.questions.contains(where: { $0.request.emergency != nil }) {
      let logged = Kept<[LoggedDecision]>([])
      let receipt = try await store.write(
        organization, by: deciding.caller.name, key: nil
      ) { writer in
        let (entries, part2) = try deciding.entries(in: writer)
        let answers = try writer.log(entries)
        try writer.append(overridesIn: answers)
        holdsPart2.set(part2)
        logged.set(answers)
        return []
      }
      changed(organization)
      return Answered(
        logged: receipt.answerable(logged.value), holdsPart2: holdsPart2.value)
    }
    let logged = try await checker.decide(
      organization, images: deciding.questions.map(\.request.image),
      identifiers: deciding.questions.compactMap(\.patientIdentifier),
      atLeast: deciding.minPosition?.position ?? 0
    ) { reader in
      let (entries, part2) = try deciding.entries(in: reader)
      holdsPart2.set(part2)
      return entries
    }
    return Answered(logged: logged, holdsPart2: holdsPart2.value)
  }
}

extension FactWriter {
  /// Tells of each override among the decisions, in the transaction that logged them.
  func append(overridesIn logged: [LoggedDecision]) throws {
    for answer in logged {
      let overridden = answer.overriddenImages
      guard !overridden.isEmpty else { continue }
      let entry = answer.entry
      let event = FeedEvent(
        kind: .emergencyOverrideUsed, subject: answer.id.text, patient: entry.patient,
        images: Array(overridden.prefix(256)),
        scope: overridden.count == 1 ? .image(overridden[0]) : entry.patient.map { _ in .patient },
        uses: entry.request.use.map { [$0] } ?? [], occurred: entry.decision.at)
      try append(Change(events: [event]))
    }
  }
}

extension LoggedDecision {
  /// The images permitted by an attestation alone.
  var overriddenImages: [ImageKey] {
    guard let group = entry.group else {
      return entry.decision.isEmergencyOverride ? [entry.request.image] : []
    }
    let isOverride: (Effect, Reason) -> Bool = { effect, reason in
      effect == .permit && (reason == .emergencyOverride || reason == .part2MedicalEmergency)
    }
    let differing = Dictionary(group.differing.map { ($0.image, $0) }) { first, _ in first }
    return group.images.filter { image in
      if let own = differing[image] { return isOverride(own.effect, own.reason) }
      return isOverride(entry.decision.effect, entry.decision.primary)
    }
  }
}

extension Question {
  /// The request with its patient looked up. An identifier that nobody has is a patient that no
  /// image belongs to: the decision answers PATIENT_MISMATCH, and the log shows that one was named.
  func resolved(in reader: any FactReader, facts: Facts) throws -> CheckRequest {
    try resolved(in: reader, holder: facts.current(request.image)?.patient)
  }

  /// - Parameter holder: the patient that the image belongs to; `nil` if it is not registered.
  func resolved(in reader: any FactReader, holder: PatientID?) throws -> CheckRequest {
    guard let patientIdentifier else { return request }
    let named = try reader.patients(identifiedBy: patientIdentifier)
    var resolved = request
    resolved.patient =
      named.first { $0 == holder } ?? named.first ?? PatientID.nobody
    return resolved
  }
}

extension ID {
  /// The identity that nothing has (RFC 9562 section 5.9).
  static var nobody: ID { ID(high: 0, low: 0) }
}

extension Facts {
  /// The newest version of an image.
  func current(_ key: ImageKey) -> ImageRecord? {
    images.lazy.filter { $0.key == key }.max { $0.version < $1.version }
  }
}

extension CheckRequest {
  /// The patient an answer is logged under: the image's; in want of a registered image the one
  /// the caller named, so that an emergency use of it is found again.
  func loggedPatient(holder: PatientID?) -> PatientID? {
    holder ?? (patient == .nobody ? nil : patient)
  }
}

/// A value that leaves a transaction's closure; of repeated runs the last one's.
final class Kept<Value: Sendable>: Sendable {
  private let held: Mutex<Value>

  init(_ value: Value) { held = Mutex(value) }

  var value: Value { held.withLock { $0 } }
  func set(_ value: Value) { held.withLock { $0 = value } }
}

typealias Flag = Kept<Bool>

extension Kept where Value == Bool {
  convenience init() { self.init(false) }
}
