import ConsentCore
import ConsentStore
import Testing

@Suite(.fewAtOnce) struct DueWorkTests {
  private func due(_ bench: Bench, _ instant: Instant) async throws -> [PatientID] {
    try await bench.read { try $0.patientsWithDueWork(at: instant, limit: 10) }
  }

  private func next(_ bench: Bench, after instant: Instant) async throws -> Instant? {
    try await bench.read { try $0.nextDue(after: instant) }
  }

  @Test(arguments: Backend.allCases)
  func aDatedGrantIsDueAtItsEndUntilItHasEnded(backend: Backend) async throws {
    let bench = try await backend.open()
    let patients: [PatientID] = [random(), random()]
    let now = bench.clock.now()
    let ends = [now.plus(hours: 20), now.plus(hours: 10)]
    var grants: [GrantID] = []
    for (patient, end) in zip(patients, ends) {
      let grant = Build.grant(expiry: .date(LocalDay(daysSince1970: 0), until: end))
      grants.append(grant.id)
      try await bench.append(Build.record(Build.instrument(of: patient, [grant])))
    }
    #expect(try await due(bench, now.plus(hours: 9)).isEmpty)
    #expect(try await due(bench, ends[1]) == [patients[1]])
    #expect(try await due(bench, ends[0]) == [patients[1], patients[0]])
    #expect(
      try await bench.read { try $0.patientsWithDueWork(at: ends[0], limit: 1) } == [patients[1]])
    #expect(try await next(bench, after: now) == ends[1])
    #expect(try await next(bench, after: ends[1]) == ends[0])

    try await bench.append(Build.end(grants[1], .grantExpired, at: ends[1]))
    #expect(try await due(bench, ends[0]) == [patients[0]])
    #expect(try await next(bench, after: now) == ends[0])
    #expect(try await next(bench, after: ends[0]) == nil)
  }

  @Test(arguments: Backend.allCases)
  func everyGrantVersionEndsByExactlyOneEvent(backend: Backend) async throws {
    let bench = try await backend.open()
    let now = bench.clock.now()
    let grant = Build.grant(expiry: .date(LocalDay(daysSince1970: 0), until: now))
    try await bench.append(Build.record(Build.instrument(of: random(), [grant])))
    try await bench.append(Build.end(grant.id, .grantRevoked, at: now))
    await #expect(throws: StoreError.grantEnded(grant.id)) {
      try await bench.append(Build.end(grant.id, .grantExpired, at: now))
    }
    // Reinstated, it is a new version: due again, and it may end once more.
    try await bench.append(
      Change(events: [Build.event(.grantReinstated, grants: [grant.id])]))
    #expect(try await due(bench, now).count == 1)
    try await bench.append(
      Change(
        events: [Build.event(.grantExpired, "again", grants: [grant.id])],
        ends: [GrantEnd(grant: grant.id, version: 2, kind: .grantExpired, ended: now)]))
    #expect(try await due(bench, now).isEmpty)
    let ends = try await bench.read { try $0.grantEnds(of: [grant.id, random()]) }
    #expect(ends.map(\.version) == [1, 2])
    #expect(ends.map(\.kind) == [.grantRevoked, .grantExpired])
    #expect(try await bench.read { $0.head.position } == 4)
  }

  @Test(arguments: Backend.allCases)
  func majorityFollowsTheNewestVersionOfThePatient(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    let now = bench.clock.now()
    try await bench.append(
      Build.record(Build.instrument(of: patient, [Build.grant(expiry: .majority)])))
    #expect(try await next(bench, after: .distantPast) == nil)
    try await bench.append(Build.patient(patient, majority: now.plus(hours: 5)))
    #expect(try await due(bench, now.plus(hours: 5)) == [patient])
    try await bench.append(Build.patient(patient, version: 2, majority: now.plus(hours: 50)))
    #expect(try await due(bench, now.plus(hours: 49)).isEmpty)
    #expect(try await next(bench, after: now) == now.plus(hours: 50))
  }

  @Test(arguments: Backend.allCases)
  func aNamedEventIsDueWhenResolvedAndOverdueWhenNot(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    let now = bench.clock.now()
    let event = ExpiryEvent(
      id: random(), patient: nil, definition: "course", expectedBy: now.plus(hours: 4))
    try await bench.append(Build.change(.expiryEvent(event), .expiryEventDeclared))
    #expect(try await due(bench, now.plus(hours: 4)).isEmpty)
    try await bench.append(
      Build.record(Build.instrument(of: patient, [Build.grant(expiry: .event(event.id))])))
    #expect(try await due(bench, now.plus(hours: 4)) == [patient])

    let resolution = ExpiryEventResolution(
      id: random(), event: event.id, occurred: now.plus(hours: -9))
    try await bench.append(
      Build.change(.expiryEventResolution(resolution), .expiryEventResolved))
    #expect(try await next(bench, after: .distantPast) == now)
    #expect(try await due(bench, now) == [patient])

    let error = EnteredInError(
      id: random(),
      target: RecordReference(kind: .expiryEventResolution, id: resolution.id.retyped()), note: "")
    try await bench.append(Build.change(.enteredInError(error), .recordEnteredInError))
    #expect(try await next(bench, after: .distantPast) == now.plus(hours: 4))
    try await bench.append(
      Change(events: [
        Build.event(
          .expiryEventOverdue, record: RecordReference(kind: .expiryEvent, id: event.id.retyped()))
      ]))
    #expect(try await next(bench, after: .distantPast) == nil)
  }

  @Test(arguments: Backend.allCases)
  func aGrantThatBeginsLaterIsDueAtItsStartUntilActivated(backend: Backend) async throws {
    let bench = try await backend.open()
    let now = bench.clock.now()
    let grant = Build.grant(from: now.plus(hours: 2))
    let instrument = Build.instrument(of: random(), [grant, Build.grant(from: now)])
    try await bench.append(Build.record(instrument))
    #expect(try await next(bench, after: .distantPast) == now.plus(hours: 2))
    let error = EnteredInError(
      id: random(), target: RecordReference(kind: .instrument, id: instrument.id.retyped()),
      note: "")
    try await bench.append(Build.change(.enteredInError(error), .recordEnteredInError))
    #expect(try await next(bench, after: .distantPast) == nil)
    let undone = EnteredInError(
      id: random(), target: RecordReference(kind: .enteredInError, id: error.id.retyped()), note: ""
    )
    try await bench.append(Build.change(.enteredInError(undone), .recordEnteredInError))
    #expect(try await next(bench, after: .distantPast) == now.plus(hours: 2))
    try await bench.append(Change(events: [Build.event(.grantActivated, grants: [grant.id])]))
    #expect(try await next(bench, after: .distantPast) == nil)
  }
}
