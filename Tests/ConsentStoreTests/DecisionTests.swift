import ConsentCore
import ConsentStore
import Testing

@Suite(.fewAtOnce) struct DecisionTests {
  @Test(arguments: Backend.allCases)
  func aDecisionIsLoggedWithTheHeadItWasTakenAt(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient))
    let logged = try await bench.store.decide(bench.organization) { reader in
      (0..<3).map {
        Build.decision(
          Build.key($0), at: reader.now, position: reader.head.position, patient: patient)
      }
    }
    #expect(logged.count == 3)
    #expect(logged.allSatisfy { $0.head.position == 1 })
    let read = try await bench.read { reader in try logged.map { try reader.decision($0.id) } }
    #expect(read == logged)
    let unknown = DecisionID(log: random(), leaf: 0)
    #expect(try await bench.read { try $0.decision(unknown) } == nil)
    #expect(DecisionID(text: logged[2].id.text) == logged[2].id)
  }

  @Test(arguments: Backend.allCases)
  func decisionsBeforeAnyChangeAreTakenAtTheEmptyHead(backend: Backend) async throws {
    let bench = try await backend.open()
    let logged = try await bench.store.decide(bench.organization) { reader in
      [Build.decision(Build.key(1), at: reader.now, position: reader.head.position)]
    }
    #expect(logged.map(\.head) == [.empty])
    #expect(try await bench.read { try $0.decisions(DecisionFilter(), limit: 5) } == logged)
  }

  @Test(arguments: Backend.allCases)
  func everyFilterFieldMustMatch(backend: Backend) async throws {
    let bench = try await backend.open()
    let (patient, grant): (PatientID, GrantID) = (random(), random())
    let start = bench.clock.now()
    for hour in 0..<4 {
      try await bench.append(Build.patient(random()))
      _ = try await bench.store.decide(bench.organization) { reader in
        [
          Build.decision(
            Build.key(hour), at: reader.now, position: reader.head.position,
            effect: hour == 2 ? .deny : .permit, grant: hour == 1 ? grant : nil,
            patient: hour < 2 ? patient : nil)
        ]
      }
      bench.clock.move(hours: 1)
    }
    let cases: [(DecisionFilter, [Int])] = [
      (DecisionFilter(), [0, 1, 2, 3]),
      (DecisionFilter(from: start.plus(hours: 1), until: start.plus(hours: 3)), [1, 2]),
      (DecisionFilter(positionFrom: 2, positionUntil: 4), [1, 2]),
      (DecisionFilter(patient: patient), [0, 1]),
      (DecisionFilter(image: Build.key(3)), [3]),
      (DecisionFilter(basisGrant: grant), [1]),
      (DecisionFilter(effect: .deny), [2]),
      (DecisionFilter(primaries: [.noAuthorization]), [2]),
      (DecisionFilter(patient: patient, effect: .deny), []),
      (DecisionFilter(usesOnly: true), [0, 1, 2, 3]),
    ]
    for (filter, expected) in cases {
      let found = try await bench.read { try $0.decisions(filter, limit: 10) }
      #expect(found.map(\.entry.request.image) == expected.map(Build.key))
    }
    #expect(try await bench.read { try $0.decisions(DecisionFilter(), limit: 2) }.count == 2)
  }

  @Test(arguments: Backend.allCases)
  func oneBadCallDoesNotFailItsNeighbours(backend: Backend) async throws {
    struct Refused: Error {}
    let bench = try await backend.open()
    let outcomes = await withTaskGroup(of: Result<[LoggedDecision], any Error>.self) { group in
      for number in 0..<60 {
        group.addTask {
          do {
            return .success(
              try await bench.store.decide(bench.organization) { reader in
                if number % 5 == 0 { throw Refused() }
                return (0..<number % 3).map {
                  Build.decision(Build.key(number * 10 + $0), at: reader.now, position: 0)
                }
              })
          } catch {
            return .failure(error)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let failures = outcomes.count {
      if case .failure(let error) = $0 { error is Refused } else { false }
    }
    #expect(failures == 12)
    let logged = outcomes.flatMap { (try? $0.get()) ?? [] }
    let expected = (0..<60).filter { $0 % 5 != 0 }.map { $0 % 3 }.reduce(0, +)
    #expect(logged.count == expected)
    #expect(Set(logged.map(\.id)).count == logged.count)
    let leaves = Dictionary(grouping: logged, by: \.id.log).values.map {
      $0.map(\.id.leaf).sorted()
    }
    for leaves in leaves { #expect(leaves == Array(0..<UInt64(leaves.count))) }
    let listed = try await bench.read { try $0.decisions(DecisionFilter(), limit: 1_000) }
    #expect(Set(listed) == Set(logged))
  }

  @Test(arguments: Backend.allCases)
  func anOverrideAndItsEventAreOneChange(backend: Backend) async throws {
    struct Refused: Error {}
    let bench = try await backend.open()
    await #expect(throws: Refused.self) {
      try await bench.write { writer in
        _ = try writer.log([Build.decision(Build.key(1), at: writer.now, position: 0)])
        throw Refused()
      }
    }
    #expect(try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) }.isEmpty)
    for _ in 0..<2 {
      try await bench.write { writer in
        try writer.append(Change(events: [Build.event(.emergencyOverrideUsed)]))
        let first = try writer.log([
          Build.decision(Build.key(1), at: writer.now, position: writer.head.position)
        ])
        let second = try writer.log([
          Build.decision(Build.key(2), at: writer.now, position: writer.head.position)
        ])
        #expect(second[0].id.leaf == first[0].id.leaf + 1)
        let now = writer.now
        let reports = [first[0], second[0]].map { logged in
          UseReport(
            id: random(), decision: logged.id, image: logged.entry.request.image, use: .diagnosis,
            audience: .ownWorkforce, channel: .ehr,
            actor: Actor(user: Identifier(system: "s", value: "v"), role: .clinician),
            recipient: nil, happened: now, wasUsed: true, note: "n")
        }
        try writer.put(useReports: reports)
        return []
      }
    }
    let logged = try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) }
    #expect(logged.count == 4)
    #expect(Set(logged.map(\.head.position)) == [1, 2])
  }

  @Test(arguments: Backend.allCases)
  func useReportsOfAGroupAreRecordedAllOrNone(backend: Backend) async throws {
    let bench = try await backend.open()
    let ids: [ID<UseReport>] = (0..<3).map { _ in random() }
    let put = { @Sendable (ids: [ID<UseReport>]) in
      try await bench.write { writer in
        let now = writer.now
        try writer.put(
          useReports: ids.map { id in
            UseReport(
              id: id, decision: nil, image: Build.key(1), use: .diagnosis,
              audience: .ownWorkforce, channel: .ehr,
              actor: Actor(user: Identifier(system: "s", value: "v"), role: .clinician),
              recipient: nil, happened: now, wasUsed: true, note: "n")
          })
        return []
      }
    }
    _ = try await put([])
    _ = try await put([ids[0]])
    await #expect(throws: (any Error).self) { _ = try await put([ids[1], ids[0]]) }
    // Nothing of what was refused is there.
    _ = try await put([ids[1], ids[2]])
  }

  @Test(arguments: Backend.allCases)
  func useReportsAndDisclosuresAreReadByWhomTheyAreAboutAndWhen(backend: Backend) async throws {
    let bench = try await backend.open()
    let start = bench.clock.now()
    let patients: [PatientID] = [random(), random()]
    let reports = (0..<6).map { number in
      UseReport(
        id: ID(high: 1, low: UInt64(number)), decision: nil, image: Build.key(number % 3),
        use: .education, audience: .external, channel: .publication,
        actor: Actor(user: Identifier(system: "urn:staff", value: "7"), role: .educator),
        recipient: nil, happened: start.plus(hours: Int64(number / 2)), wasUsed: number != 2,
        note: "n")
    }
    let disclosures = (0..<4).map { number in
      Disclosure(
        id: random(), patient: patients[number % 2], images: [Build.key(number)],
        disclosed: SignedTime(day: LocalDay(daysSince1970: 20_000)),
        at: start.plus(hours: Int64(number)), recipient: Party(kind: .person, identifier: nil),
        information: "i", purpose: "p", ground: .impermissible, paragraph: nil)
    }
    try await bench.write { writer in
      try writer.put(useReports: reports)
      for disclosure in disclosures { try writer.put(disclosure: disclosure) }
      return []
    }
    let span = start..<start.plus(hours: 2)
    let found = try await bench.read { reader in
      (
        try reader.useReports(of: [Build.key(0), Build.key(1)], span),
        try reader.disclosures(of: [patients[0]], span),
        try reader.disclosures(of: Set(patients), .distantPast ..< .distantFuture)
      )
    }
    #expect(found.0 == [reports[0], reports[1], reports[3]])
    #expect(found.1 == [disclosures[0]])
    #expect(found.2 == disclosures)
    await #expect(throws: InvalidChange.self) {
      try await bench.write { writer in
        try writer.put(disclosure: disclosures[0])
        return []
      }
    }
  }
}
