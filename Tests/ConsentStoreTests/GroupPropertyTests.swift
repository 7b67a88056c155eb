import ConsentCore
import EmbeddedPostgres
import Testing

@testable import ConsentStore

/// Random groups tell and leave what the same changes do one by one, in the order of their positions.
@Suite(.fewAtOnce, .timeLimit(.minutes(4))) struct GroupPropertyTests {
  struct Refused: Error {}

  /// - Returns: the first difference; `nil` if there is none.
  private func difference(seed: UInt64, broken: BrokenWrites? = nil) async throws -> String? {
    let clock = ManualClock()
    let bench = try await Together.open(clock: clock) { $0.brokenWrites = broken }
    let model = MemoryConsentStore(clock: clock)
    try await model.createOrganization(
      OrganizationSettings(id: bench.organization, name: "Clinic", timeZone: "America/Chicago"))
    var generator = SeededGenerator(seed: seed)
    var register = RandomRegister(seed: seed)
    for round in 0..<20 {
      if round % 3 == 0 { clock.move(hours: 1) }
      let writes = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
        random(&register, now: clock.now(), &generator)
      }
      let outcomes = try await bench.write(writes)
      for (write, outcome) in zip(writes, outcomes) {
        let expected = await Task {
          try await model.write(
            bench.organization, by: write.caller, key: write.key, write.body)
        }.result
        if outcome.summary != expected.summary {
          return "round \(round): told \(outcome.summary), one by one \(expected.summary)"
        }
      }
    }
    let ask: @Sendable (any FactReader) throws -> Told = { [register, clock] reader in
      try Told(
        reader, images: register.keys, patients: register.patients, position: nil,
        instant: clock.now())
    }
    guard try await bench.rows() == model.feed(of: bench.organization) else { return "the feed" }
    guard try await bench.read(ask) == model.read(bench.organization, ask) else { return "facts" }
    await bench.store.close()
    return nil
  }

  /// Mostly a change that stands; else one that is refused before or after it wrote, or a key again.
  private func random(
    _ register: inout RandomRegister, now: Instant, _ generator: inout SeededGenerator
  ) -> Together.Write {
    let kind = Int.random(in: 0..<10, using: &generator)
    if kind == 0 { return Together.Write { _ in throw Refused() } }
    if kind == 1 {
      return Together.Write { writer in
        try writer.append(Change(events: [Build.event(.documentStored)]))
        throw Refused()
      }
    }
    if kind == 2 {
      let number = UInt8.random(in: 0..<3, using: &generator)
      let content = UInt8.random(in: 0..<2, using: &generator)
      let subject = "keyed \(number)"
      return Together.Write(
        key: IdempotencyKey(
          caller: "ehr", key: "\(number)", contentSHA256: [UInt8](repeating: content, count: 32))
      ) { try $0.append(Change(events: [Build.event(.documentStored, subject)])).bytes }
    }
    let change = register.next(now: now)
    guard let patient = register.patients.randomElement(using: &generator),
      Int.random(in: 0..<4, using: &generator) > 0
    else { return Together.Write { try $0.append(change).bytes } }
    // As requests about one patient do: the facts before, and of some those after.
    let looksAgain = Bool.random(using: &generator)
    var write = Together.Write { writer in
      var digests = [try writer.facts(patients: [patient], asOf: nil).digest]
      let positions = try writer.append(change)
      if looksAgain { digests.append(try writer.facts(patients: [patient], asOf: nil).digest) }
      return (positions + digests).bytes
    }
    write.patient = patient
    return write
  }

  @Test(arguments: [UInt64.random(in: 0...(.max)), 1, 2, 3])
  func randomGroupsFareAsOneByOne(seed: UInt64) async throws {
    print("seed \(seed)")
    #expect(try await difference(seed: seed) == nil, "seed \(seed)")
  }

  @Test(arguments: [BrokenWrites.remembersTooLong, .readsPastNeighbours])
  func aWriterThatDoesNotSeeItsNeighboursIsFound(broken: BrokenWrites) async throws {
    #expect(try await difference(seed: 1, broken: broken) != nil)
  }

  @Test func aWriterThatKeepsWhatAFailedBodyWroteIsFound() async throws {
    #expect(try await difference(seed: 1, broken: .keepsPartialWrites) != nil)
  }
}

extension Facts {
  /// Which records there are, and where they were recorded.
  fileprivate var digest: UInt64 {
    let names = records.map { "\($0.reference.kind) \($0.id) \($0.stamp.position)" }.sorted()
    let text = names.joined(separator: ",") + " \(position) \(organizationHoldsPart2)"
    return text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}

extension Result<WriteReceipt, any Error> {
  /// What a caller is told.
  fileprivate var summary: String {
    switch self {
    case .success(let receipt):
      "\(receipt.reply.chunks()) \(receipt.head.position) \(receipt.head.chain) \(receipt.replayed)"
    case .failure(let error): "\(error)"
    }
  }
}

extension MemoryConsentStore {
  fileprivate func feed(of organization: OrganizationID) async throws -> [FeedRow] {
    try await read(organization) { try $0.feed(after: 0, limit: 9_999) }
  }
}
