import ConsentCore
import ConsentStore

@testable import Checking

/// One organization with a few patients, an image or more each, and nodes that check.
///
/// Its changes are told of as the service tells of them: each names its patient and its images.
struct Clinic: Sendable {
  var bench: Bench
  /// The hospital's own writer: another node, as seen from every checker.
  var store: any ConsentStore { bench.store }
  var organization: OrganizationID { bench.organization }

  init(_ backend: Backend, clock: ManualClock = ManualClock()) async throws {
    bench = try await backend.open(clock: clock)
  }

  /// A node: a checker over the same database, with hooks between them.
  func node(
    _ mutant: CheckingMutant? = nil, clock: (any WallClock)? = nil,
    options: Checker.Options = Checker.Options(),
    report: @escaping @Sendable (CheckerReport) -> Void = { _ in }
  ) -> Node {
    let store = HookedStore(bench.store)
    return Node(
      clinic: self, store: store,
      checker: Checker(
        store: store, clock: clock ?? bench.clock, options: options, mutant: mutant,
        report: report))
  }

  func patient() async throws -> PatientID {
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient))
    return patient
  }

  @discardableResult
  func image(
    _ number: Int, of patient: PatientID, version: Int = 1, sources: [ImageKey] = [],
    part2: Part2Mark? = nil
  ) async throws -> ImageKey {
    let image = Build.image(
      Build.key(number), of: patient, version: version, sources: sources, part2: part2)
    var change = Build.register(image)
    change.events[0].images = [image.key]
    try await bench.append(change)
    return image.key
  }

  /// A paper that permits what `ask` asks.
  func paper(of patient: PatientID, _ grant: Grant = Build.grant()) async throws -> Instrument {
    var paper = Build.instrument(of: patient, [grant])
    paper.defects = []
    try await bench.append(Build.record(paper))
    return paper
  }

  @discardableResult
  func revoke(_ paper: Instrument) async throws -> UInt64 {
    let revocation = Revocation(
      id: random(), patient: paper.patient, grants: paper.grants.map(\.id), method: .written,
      signer: Signer(capacity: .individual), signed: SignedTime(day: LocalDay(daysSince1970: 1)),
      received: Instant(microseconds: 1))
    return try await bench.append(
      Build.change(.revocation(revocation), .grantRevoked, patient: paper.patient))[0]
  }

  /// A change that no question of these tests is about.
  func elsewhere() async throws { _ = try await patient() }

  func head() async throws -> FeedHead { try await bench.read { $0.head } }

  /// What the facts at the position it was logged at say to the same question, at its instant.
  func again(_ logged: LoggedDecision) async throws -> Decision {
    try await bench.read { reader in
      let entry = logged.entry
      return decide(
        entry.request, caller: entry.limits,
        facts: try reader.facts(images: [entry.request.image], asOf: logged.head.position),
        at: entry.decision.at)
    }
  }
}

/// A checker and what lies between it and its database.
struct Node: Sendable {
  var clinic: Clinic
  var store: HookedStore
  var checker: Checker

  func ask(_ image: ImageKey, body: (@Sendable () -> Void)? = nil) async throws -> LoggedDecision {
    let logged = try await checker.decide(clinic.organization, images: [image]) { reader in
      body?()
      return [try entry(image, in: reader)]
    }
    guard let logged = logged.first else { throw StoreError.unavailable("nothing was logged") }
    return logged
  }

  func ask(_ images: [ImageKey]) async throws -> [LoggedDecision] {
    try await checker.decide(clinic.organization, images: images) { reader in
      try images.map { try entry($0, in: reader) }
    }
  }
}

func question(_ image: ImageKey) -> CheckRequest {
  CheckRequest(
    image: image, use: .education, audience: .external, channel: .publication,
    actor: Actor(user: Identifier(system: "urn:staff", value: "7"), role: .educator),
    recipient: Party(kind: .venue, identifier: Identifier(system: "issn", value: "0001")))
}

func entry(_ image: ImageKey, in reader: any FactReader) throws -> DecisionEntry {
  let known = try reader.imageCase(image)
  return DecisionEntry(
    caller: "pacs", limits: CallerLimits(), request: question(image),
    decision: decide(
      question(image), caller: CallerLimits(), on: known, position: reader.head.position,
      at: reader.now),
    patient: known.latestPatient)
}

extension LoggedDecision {
  var effect: Effect { entry.decision.effect }
}
