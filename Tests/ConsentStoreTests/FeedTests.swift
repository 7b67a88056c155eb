import ConsentCore
import ConsentStore
import Testing

@Suite(.fewAtOnce) struct FeedTests {
  @Test(arguments: Backend.allCases)
  func positionsAreDenseAndEachRowIsChainedToItsHistory(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient))
    let instrument = Build.instrument(of: patient, [Build.grant()])
    var change = Build.record(instrument)
    change.events.append(Build.event(.grantActivated, grants: [instrument.grants[0].id]))
    #expect(try await bench.append(change) == [2, 3])
    try await bench.append(Build.register(Build.image(Build.key(1), of: patient)))

    let (rows, head) = try await bench.read { (try $0.feed(after: 0, limit: 100), $0.head) }
    try expectChained(rows, organization: bench.organization)
    #expect(rows.count == 4)
    #expect(head.chain == rows.last?.chain)
    #expect(head.factPosition == 4)
    let middle = try await bench.read { try $0.head(at: 3) }
    #expect(middle?.chain == rows[2].chain)
    #expect(middle?.factPosition == 2)
    #expect(try await bench.read { try $0.head(at: 5) } == nil)
    #expect(try await bench.read { try $0.head(at: 0) } == .empty)
    #expect(try await bench.read { try $0.feed(after: 1, limit: 2) }.map(\.position) == [2, 3])
  }

  @Test(arguments: Backend.allCases)
  func knownNeverGoesBackWhenTheClockDoes(backend: Backend) async throws {
    let bench = try await backend.open()
    let start = bench.clock.now()
    try await bench.append(Build.patient(random()))
    bench.clock.move(hours: -5)
    try await bench.append(Build.patient(random()))
    #expect(try await bench.read { $0.now } == start)
    bench.clock.move(hours: 7)
    try await bench.append(Build.patient(random()))

    let known = try await bench.read { try $0.feed(after: 0, limit: 9) }.map(\.known)
    #expect(known == [start, start, start.plus(hours: 2)])
    let positions = try await bench.read { reader in
      try [start.plus(hours: -1), start, start.plus(hours: 1), start.plus(hours: 2)]
        .map { try reader.position(knownAt: $0) }
    }
    #expect(positions == [0, 2, 2, 3])
  }

  @Test(arguments: Backend.allCases)
  func anEventIsRecordedOnceAndABodyMayGoOnAfterARefusal(backend: Backend) async throws {
    let bench = try await backend.open()
    try await bench.append(Change(events: [Build.event(.documentStored, "scan-1")]))
    let receipt = try await bench.write { writer in
      // A run in which this is not refused does not stand.
      var refused: [UInt64] = []
      do {
        try writer.append(Change(events: [Build.event(.documentStored, "scan-1")]))
      } catch StoreError.duplicateEvent(kind: .documentStored, subject: "scan-1") {
        refused = [77]
      }
      let positions = try writer.append(Change(events: [Build.event(.documentStored, "scan-2")]))
      return (refused + positions).bytes
    }
    #expect(receipt.reply.chunks() == [77, 2])
    let found = try await bench.read { reader in
      try [EventKind.documentStored, .policyChanged].map {
        try reader.hasEvent(kind: $0, subject: "scan-1")
      }
    }
    #expect(found == [true, false])
    await #expect(throws: StoreError.self) {
      let twice = Build.event(.documentStored, "scan-3")
      try await bench.append(Change(events: [twice, twice]))
    }
  }

  @Test(arguments: Backend.allCases)
  func aBodyThatThrowsLeavesNothingBehind(backend: Backend) async throws {
    struct Refused: Error {}
    let bench = try await backend.open()
    let patient: PatientID = random()
    await #expect(throws: Refused.self) {
      try await bench.write { writer in
        try writer.append(Build.patient(patient))
        #expect(try writer.facts(patients: [patient], asOf: nil).patients.count == 1)
        #expect(writer.head.position == 1)
        throw Refused()
      }
    }
    #expect(try await bench.read { $0.head } == .empty)
    #expect(try await bench.append(Build.patient(patient)) == [1])
  }

  @Test(arguments: Backend.allCases)
  func concurrentWritersShareOneDenseFeed(backend: Backend) async throws {
    let bench = try await backend.open()
    let receipts = try await withThrowingTaskGroup(of: [UInt64].self) { group in
      for _ in 0..<40 {
        group.addTask {
          try await bench.append(
            Change(events: [Build.event(.documentStored), Build.event(.documentStored)]))
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(receipts.flatMap { $0 }.sorted() == Array(1...80))
    #expect(receipts.allSatisfy { $0[1] == $0[0] + 1 })
    try expectChained(
      try await bench.read { try $0.feed(after: 0, limit: 100) },
      organization: bench.organization)
  }

  @Test(arguments: Backend.allCases)
  func organizationsSeeNothingOfEachOther(backend: Backend) async throws {
    let bench = try await backend.open()
    let other = Bench(
      store: bench.store, organization: random(), clock: bench.clock)
    let settings = OrganizationSettings(
      id: other.organization, name: "Other", timeZone: "Europe/Berlin")
    try await bench.store.createOrganization(settings)
    try await bench.store.createOrganization(settings)
    await #expect(throws: InvalidChange.self) {
      var changed = settings
      changed.timeZone = "UTC"
      try await bench.store.createOrganization(changed)
    }
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient))
    try await bench.append(Build.register(Build.image(Build.key(1), of: patient)))

    let facts = try await other.read { try $0.facts(images: [Build.key(1)], asOf: nil) }
    #expect(facts.images.isEmpty)
    #expect(try await other.read { $0.head } == .empty)
    #expect(try await other.append(Build.patient(patient)) == [1])
    let served = try await bench.store.organizations()
    #expect(served.contains(settings))
    #expect(Set(served.map(\.id)).isSuperset(of: [bench.organization, other.organization]))
    await #expect(throws: StoreError.unknownOrganization) {
      try await bench.store.read(random()) { $0.head }
    }
    await #expect(throws: StoreError.unknownOrganization) {
      try await bench.store.decide(random()) { _ in [] }
    }
  }
}

/// Positions from 1 without a gap, and each chain value follows from the one before.
func expectChained(_ rows: [FeedRow], organization: OrganizationID) throws {
  #expect(chainFault(rows, organization: organization) == nil)
}

/// What is wrong with a feed, if anything.
func chainFault(_ rows: [FeedRow], organization: OrganizationID) -> String? {
  var head = FeedHead.empty
  for row in rows {
    guard row.position == head.position + 1 else { return "position \(row.position) is not dense" }
    let id = FeedChain.eventID(
      organization: organization, kind: row.event.kind, subject: row.event.subject)
    let chain = FeedChain.next(
      after: head.chain, organization: organization, position: row.position, known: row.known,
      eventID: id, event: row.event, by: row.by)
    guard row.eventID == id, row.chain == chain else { return "chain broken at \(row.position)" }
    guard row.known >= head.known else { return "known goes back at \(row.position)" }
    head.position = row.position
    head.chain = row.chain
    head.known = row.known
  }
  return nil
}
