import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import Checking

@Suite(.fewAtOnce) struct CheckerTests {
  @Test(arguments: Backend.allCases)
  func anAnswerIsLoggedAtTheHeadAndTakenFromMemoryTheSecondTime(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let paper = try await clinic.paper(of: patient)
    let node = clinic.node()
    let first = try await node.ask(image)
    #expect(first.effect == .permit)
    #expect(first.head == (try await clinic.head()))
    #expect(first.entry.decision.position == first.head.position)
    let reads = node.store.counts.reads
    let second = try await node.ask(image)
    #expect(second.entry.decision == first.entry.decision)
    #expect(node.store.counts.reads == reads)
    let kept = try await clinic.bench.read { reader in
      try [first, second].map { try reader.decision($0.id) }
    }
    #expect(kept == [first, second])
    try await clinic.revoke(paper)
    let third = try await node.ask(image)
    #expect(third.effect == .deny)
    #expect(third.head == (try await clinic.head()))
    #expect(node.store.counts.decisions == 0)
  }

  @Test(arguments: Backend.allCases)
  func whatIsNotRegisteredIsDeniedAndSeenWhenItIs(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let node = clinic.node()
    for _ in 0..<2 {
      let logged = try await node.ask(Build.key(0))
      #expect(logged.entry.decision.primary == .imageUnknown)
    }
    let patient = try await clinic.patient()
    _ = try await clinic.paper(of: patient)
    try await clinic.image(0, of: patient)
    #expect(try await node.ask(Build.key(0)).effect == .permit)
  }

  @Test(arguments: Backend.allCases)
  func aChangeThatIsNoFactMakesNothingStale(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node()
    _ = try await node.ask(image)
    for _ in 0..<3 {
      try await clinic.bench.append(Change(events: [Build.event(.documentStored)]))
    }
    let (appends, reads) = (node.store.counts.appends, node.store.counts.reads)
    _ = try await node.ask(image)
    #expect(node.store.counts.appends == appends + 1)
    // The rows came with the answer.
    let logged = try await node.ask(image)
    #expect(logged.head == (try await clinic.head()))
    #expect(node.store.counts.reads == reads)
  }

  /// One round trip when nothing changed, two when something did: never a third.
  @Test func aChangeElsewhereCostsOneMoreRoundTrip() async throws {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node()
    _ = try await node.ask(image)
    try await clinic.elsewhere()
    let before = node.store.counts
    let logged = try await node.ask(image)
    #expect(node.store.counts.appends == before.appends + 2)
    #expect(node.store.counts.reads == before.reads)
    #expect(logged.head == (try await clinic.head()))
    // The second append has no condition, whatever happens before it arrives.
    let appends = Mutex(0)
    try await clinic.elsewhere()
    node.store.hooks.beforeAppend = { _, _ in
      if appends.withLock({
        $0 += 1
        return $0
      }) == 2 {
        try await clinic.elsewhere()
      }
    }
    _ = try await node.ask(image)
    #expect(appends.withLock { $0 } == 2)
  }

  @Test(arguments: Backend.allCases)
  func oneBadBodyDoesNotFailItsNeighbours(backend: Backend) async throws {
    struct Refused: Error {}
    let clinic = try await Clinic(backend)
    let patient = try await clinic.patient()
    let images = [try await clinic.image(0, of: patient), try await clinic.image(1, of: patient)]
    let node = clinic.node()
    let outcomes = await withTaskGroup(of: Result<[LoggedDecision], any Error>.self) { group in
      for number in 0..<40 {
        group.addTask {
          do {
            return .success(
              try await node.checker.decide(
                clinic.organization, images: images
              ) { reader in
                if number % 5 == 0 { throw Refused() }
                return try images.map { try entry($0, in: reader) }
              })
          } catch {
            return .failure(error)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let refused = outcomes.count {
      if case .failure(let error) = $0 { error is Refused } else { false }
    }
    #expect(refused == 8)
    let logged = outcomes.flatMap { (try? $0.get()) ?? [] }
    #expect(logged.count == 64)
    #expect(Set(logged.map(\.id)).count == 64)
  }

  @Test(arguments: Backend.allCases)
  func identifiersAreLookedUpAndKeptUntilAPatientChanges(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let identifier = Identifier(system: "urn:mrn", value: "1")
    let node = clinic.node()
    let ask: @Sendable () async throws -> [PatientID] = {
      let found = Mutex<[PatientID]>([])
      _ = try await node.checker.decide(
        clinic.organization, images: [image], identifiers: [identifier]
      ) { reader in
        let patients = try reader.patients(identifiedBy: identifier)
        found.withLock { $0 = patients }
        return [try entry(image, in: reader)]
      }
      return found.withLock { $0 }
    }
    #expect(try await ask() == [])
    #expect(try await ask() == [])
    try await clinic.bench.write { writer in
      let record = PatientRecord(
        recordID: random(), id: patient, version: 2, majority: nil, timeZoneDataVersion: "2026a")
      try writer.append(Build.change(.patient(record), .patientCorrected, patient: patient))
      try writer.put(
        identity: PatientIdentity(displayName: "A", birthDate: nil, identifiers: [identifier]),
        of: patient, record: record.recordID)
      return []
    }
    #expect(try await ask() == [patient])
    let reads = node.store.counts.reads
    #expect(try await ask() == [patient])
    #expect(node.store.counts.reads == reads)
  }

  @Test(arguments: Backend.allCases)
  func whatTheIndexCannotSayTheDatabaseAnswers(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node()
    let logged = try await node.checker.decide(clinic.organization, images: [image]) { reader in
      try reader.images(study: "1.2.3").map { try entry($0, in: reader) }
    }
    #expect(logged.map(\.entry.request.image) == [image])
    #expect(node.store.counts.decisions == 1)
  }

  @Test func aFullQueueRefusesAtOnce() async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node(options: Checker.Options(queueLimit: 3))
    _ = try await node.ask(image)
    let (reached, gate) = (Latch(), Latch())
    node.store.hooks.beforeAppend = { _, _ in
      await reached.open()
      await gate.wait()
    }
    let first = Task { try await node.ask(image) }
    await reached.wait()
    // The batch in flight is out of the queue: three may wait, and the fourth is refused.
    let outcomes = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<9 {
        group.addTask {
          do {
            _ = try await node.ask(image)
            return true
          } catch {
            #expect(error as? StoreError == .overloaded)
            return false
          }
        }
      }
      var answered = 0
      var refused = 0
      for await outcome in group {
        if outcome { answered += 1 } else { refused += 1 }
        if refused == 6 { await gate.open() }
      }
      return (answered, refused)
    }
    #expect(outcomes == (3, 6))
    _ = try await first.value
  }

  @Test func aCallerThatGoesIsNotWaitedForAndEndsNoBatch() async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node()
    _ = try await node.ask(image)
    let (reached, gate) = (Latch(), Latch())
    node.store.hooks.beforeAppend = { _, _ in
      await reached.open()
      await gate.wait()
    }
    let gone = Task { try await node.ask(image) }
    let stays = Task { try await node.ask(image) }
    await reached.wait()
    gone.cancel()
    // Answered while the batch is still held.
    await #expect(throws: CancellationError.self) { try await gone.value }
    await gate.open()
    #expect(try await stays.value.entry.request.image == image)
  }

  @Test(arguments: Backend.allCases)
  func theWholeRegisterIsReadAhead(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    for number in 0..<30 {
      let patient = try await clinic.patient()
      try await clinic.image(number, of: patient)
      _ = try await clinic.paper(of: patient)
    }
    let whole = Latch()
    let node = clinic.node { report in
      if case .preloaded(_, let images, let isWhole) = report {
        #expect(isWhole && images == 30)
        Task { await whole.open() }
      }
    }
    node.checker.preload([clinic.organization])
    await whole.wait()
    let reads = node.store.counts.reads
    for number in 0..<30 { #expect(try await node.ask(Build.key(number)).effect == .permit) }
    #expect(node.store.counts.reads == reads)
  }

  @Test func manyWhoLackTheSameFactsReadThemOnce() async throws {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node()
    let gate = Latch()
    node.store.hooks.beforeRead = { await gate.wait() }
    let asked = Task {
      try await withThrowingTaskGroup(of: LoggedDecision.self) { group in
        for _ in 0..<50 { group.addTask { try await node.ask(image) } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
    }
    await gate.open()
    #expect(try await asked.value.count == 50)
    // One for those who were there when it began, and at most one for those who came meanwhile.
    #expect(node.store.counts.reads <= 2)
  }
}

@Suite(.fewAtOnce) struct EarlierPositionTests {
  /// A caller that knows of a change is answered from memory, also when the feed has gone on since.
  @Test(arguments: Backend.allCases)
  func aKnownPositionIsComparedInMemory(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node()
    _ = try await node.ask(image)
    try await clinic.elsewhere()
    let known = try await clinic.head()
    for round in 0..<3 {
      let logged = try await node.checker.decide(
        clinic.organization, images: [image], atLeast: known.position
      ) { reader in
        #expect(reader.head.position >= known.position)
        #expect(try reader.head(at: known.position)?.chain == known.chain)
        return [try entry(image, in: reader)]
      }
      #expect(logged[0].head.position >= known.position)
      if round == 1 { try await clinic.elsewhere() }
    }
    #expect(node.store.counts.decisions == 0)
  }
}
