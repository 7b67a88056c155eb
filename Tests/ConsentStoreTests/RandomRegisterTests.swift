import ConsentCore
import ConsentStore
import Testing

@Suite(.fewAtOnce) struct RandomRegisterTests {
  /// The memory store is the model: whatever was recorded, both tell the same.
  @Test(arguments: [UInt64.random(in: 0...(.max)), 1, 2])
  func bothStoresTellTheSameOfARandomRegister(seed: UInt64) async throws {
    print("seed \(seed)")
    let clock = ManualClock()
    let memory = try await Backend.memory.open(clock: clock)
    var postgres = try await Backend.postgres.open(clock: clock)
    postgres.organization = memory.organization
    try await postgres.store.createOrganization(
      OrganizationSettings(
        id: memory.organization, name: "Clinic", timeZone: "America/Chicago"))
    var register = RandomRegister(seed: seed)
    for step in 0..<150 {
      if step % 7 == 0 { clock.move(hours: 1) }
      let change = register.next(now: clock.now())
      let expected = try await memory.append(change)
      let positions = try await postgres.append(change)
      #expect(positions == expected, "seed \(seed)")
    }
    var generator = SeededGenerator(seed: seed ^ 0x5EED)
    let feeds = [
      try await memory.read { try $0.feed(after: 0, limit: 999) },
      try await postgres.read { try $0.feed(after: 0, limit: 999) },
    ]
    #expect(feeds[0] == feeds[1])
    for _ in 0..<40 {
      let images = [register.keys.randomElement(using: &generator)].compactMap { $0 }
      let patients = [register.patients.randomElement(using: &generator)].compactMap { $0 }
      let position =
        Bool.random(using: &generator) ? UInt64.random(in: 0...150, using: &generator) : nil
      let instant = clock.now().plus(hours: Int64.random(in: -60...250, using: &generator))
      let ask: @Sendable (any FactReader) throws -> Told = {
        try Told($0, images: images, patients: patients, position: position, instant: instant)
      }
      let expected = try await memory.read(ask)
      let told = try await postgres.read(ask)
      #expect(told == expected, "seed \(seed)")
    }
  }
}

/// What a reader tells, in a form that can be compared: order means nothing.
struct Told: Equatable, Sendable {
  var facts: [Set<Record>]
  var positions: [UInt64]
  var holdsPart2: [Bool]
  var unevaluable: [UnevaluableRecord]
  var due: [PatientID]
  var next: Instant?
  var study: [ImageKey]
  var known: UInt64
  var ends: [GrantEnd]

  init(
    _ reader: any FactReader, images: [ImageKey], patients: [PatientID], position: UInt64?,
    instant: Instant
  ) throws {
    let all = [
      try reader.facts(images: images, asOf: position),
      try reader.facts(patients: patients, asOf: position),
      try reader.organizationFacts(asOf: position),
    ]
    facts = all.map(\.records)
    positions = all.map(\.position)
    holdsPart2 = all.map(\.organizationHoldsPart2)
    unevaluable = all.flatMap(\.unevaluable)
    due = try reader.patientsWithDueWork(at: instant, limit: 4)
    next = try reader.nextDue(after: instant)
    study = try reader.images(study: "1.2")
    known = try reader.position(knownAt: instant)
    ends = try reader.grantEnds(of: all.flatMap { $0.instruments.flatMap { $0.grants.map(\.id) } })
  }
}

extension Facts {
  var records: Set<Record> {
    let lists: [[Record]] = [
      policies.map(Record.policy), patients.map(Record.patient), merges.map(Record.merge),
      unmerges.map(Record.unmerge), images.map(Record.image), forms.map(Record.form),
      instruments.map(Record.instrument), revocations.map(Record.revocation),
      enteredInError.map(Record.enteredInError), falseInformation.map(Record.falseInformation),
      authorityEvidence.map(Record.authorityEvidence),
      restrictionEnds.map(Record.restrictionEnd), expiryEvents.map(Record.expiryEvent),
      expiryEventResolutions.map(Record.expiryEventResolution),
      determinations.map(Record.determination),
      determinationWithdrawals.map(Record.determinationWithdrawal),
    ]
    return Set(lists.joined())
  }
}
