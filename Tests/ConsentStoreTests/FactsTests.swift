import ConsentCore
import ConsentStore
import Testing

@Suite(.fewAtOnce) struct FactsTests {
  @Test(arguments: Backend.allCases)
  func aRecordComesBackAsItWasWrittenWithItsStamp(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient, majority: Instant(microseconds: -5)))
    let event = ExpiryEvent(
      id: random(), patient: patient, definition: "end of residency",
      expectedBy: Instant(microseconds: 77))
    try await bench.append(Build.change(.expiryEvent(event), .expiryEventDeclared))
    let until = Instant(microseconds: 1_900_000_000_000_001)
    let grants = [
      Build.grant(expiry: .date(LocalDay(daysSince1970: 21_000), until: until)),
      Build.grant(expiry: .event(event.id), scope: .study(uid: "1.2.3")),
      Build.grant(expiry: .majority, from: Instant(microseconds: 9), scope: .image(Build.key(1))),
      Build.grant(expiry: .none, scope: .series(uid: "1.2.3.4")),
    ]
    var instrument = Build.instrument(of: patient, grants)
    try await bench.append(Build.record(instrument))
    var image = Build.image(
      Build.key(1), of: patient, series: "1.2.3.4",
      part2: Part2Mark(programUnit: Identifier(system: "urn:unit", value: "sud")))
    try await bench.append(Build.register(image))

    let facts = try await bench.read { try $0.facts(images: [Build.key(1)], asOf: nil) }
    let now = bench.clock.now()
    instrument.stamp = Stamp(position: 3, recorded: now, by: "tester")
    image.stamp = Stamp(position: 4, recorded: now, by: "tester")
    image.firstRecorded = now
    #expect(facts.instruments == [instrument])
    #expect(facts.images == [image])
    #expect(facts.expiryEvents.map(\.definition) == ["end of residency"])
    #expect(facts.patients.map(\.majority) == [Instant(microseconds: -5)])
    #expect(facts.organizationHoldsPart2)
    #expect(facts.position == 4)
    #expect(facts.unevaluable.isEmpty)
  }

  @Test(arguments: Backend.allCases)
  func factsAsOfAPositionShowWhatWasKnownThere(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient))
    try await bench.append(Build.register(Build.image(Build.key(1), of: patient)))
    let instrument = Build.instrument(of: patient, [Build.grant()])
    try await bench.append(Build.record(instrument))
    let revocation = Revocation(
      id: random(), patient: patient, grants: [instrument.grants[0].id], method: .oral,
      signer: Signer(capacity: .individual), signed: SignedTime(day: LocalDay(daysSince1970: 1)),
      received: Instant(microseconds: 1))
    try await bench.append(Build.change(.revocation(revocation), .grantRevoked))

    for position in UInt64(0)...5 {
      let facts = try await bench.read {
        try $0.facts(images: [Build.key(1)], asOf: position)
      }
      #expect(facts.position == min(position, 4))
      #expect(facts.images.count == (position >= 2 ? 1 : 0))
      #expect(facts.instruments.count == (position >= 3 ? 1 : 0))
      #expect(facts.revocations.count == (position >= 4 ? 1 : 0))
    }
  }

  @Test(arguments: Backend.allCases)
  func mergedPatientsAreLoadedTogetherAlsoAfterAnUnmerge(backend: Backend) async throws {
    let bench = try await backend.open()
    let patients: [PatientID] = [random(), random(), random(), random()]
    for (number, patient) in patients.enumerated() {
      try await bench.append(Build.patient(patient))
      try await bench.append(Build.register(Build.image(Build.key(number), of: patient)))
      try await bench.append(Build.record(Build.instrument(of: patient, [Build.grant()])))
    }
    let merges = [Build.merge(patients[0], patients[1]), Build.merge(patients[2], patients[1])]
    for merge in merges { try await bench.append(Build.change(.merge(merge), .patientsMerged)) }
    let before = try await bench.read { try $0.facts(images: [Build.key(0)], asOf: 12) }
    let after = try await bench.read { try $0.facts(images: [Build.key(0)], asOf: nil) }
    #expect(Set(before.instruments.map(\.patient)) == [patients[0]])
    #expect(Set(after.instruments.map(\.patient)) == Set(patients[0...2]))
    #expect(after.merges.count == 2)
    #expect(after.images.map(\.key) == [Build.key(0)])

    let unmerge = PatientUnmerge(
      id: random(), merge: merges[0].id,
      assignments: [PatientUnmerge.Assignment(record: random(), patient: patients[1])])
    try await bench.append(Build.change(.unmerge(unmerge), .patientsUnmerged))
    let undone = try await bench.read { try $0.facts(patients: [patients[2]], asOf: nil) }
    #expect(undone.unmerges.map(\.assignments) == [unmerge.assignments])
    #expect(Set(undone.images.map(\.key)) == Set([0, 1, 2].map(Build.key)))
    #expect(Set(undone.patients.map(\.id)) == Set(patients[0...2]))
  }

  @Test(arguments: Backend.allCases)
  func aDerivativeBringsItsSourcesAndTheirPatients(backend: Backend) async throws {
    let bench = try await backend.open()
    let (owner, first, second): (PatientID, PatientID, PatientID) = (random(), random(), random())
    for patient in [owner, first, second] {
      try await bench.append(Build.record(Build.instrument(of: patient, [Build.grant()])))
    }
    try await bench.append(Build.register(Build.image(Build.key(1), of: first)))
    try await bench.append(
      Build.register(Build.image(Build.key(2), of: second, sources: [Build.key(1)])))
    try await bench.append(
      Build.register(Build.image(Build.key(3), of: owner, sources: [Build.key(2), Build.key(9)])))
    let facts = try await bench.read { try $0.facts(images: [Build.key(3)], asOf: nil) }
    #expect(Set(facts.images.map(\.key)) == Set([1, 2, 3].map(Build.key)))
    #expect(facts.images.first { $0.key == Build.key(3) }?.sources == [Build.key(2), Build.key(9)])
    #expect(Set(facts.instruments.map(\.patient)) == [owner, first, second])
    let byPatient = try await bench.read { try $0.facts(patients: [owner], asOf: nil) }
    #expect(Set(byPatient.instruments.map(\.patient)) == [owner, first, second])
  }

  @Test(arguments: Backend.allCases)
  func anImageCorrectedToAnotherPatientBringsBoth(backend: Backend) async throws {
    let bench = try await backend.open()
    let (wrong, right): (PatientID, PatientID) = (random(), random())
    for patient in [wrong, right] {
      try await bench.append(Build.record(Build.instrument(of: patient, [Build.grant()])))
    }
    let start = bench.clock.now()
    try await bench.append(Build.register(Build.image(Build.key(1), of: wrong)))
    bench.clock.move(hours: 3)
    try await bench.append(
      Build.register(Build.image(Build.key(1), of: right, version: 2, study: "9.9")))
    for facts in [
      try await bench.read { try $0.facts(images: [Build.key(1)], asOf: nil) },
      try await bench.read { try $0.facts(patients: [wrong], asOf: nil) },
      try await bench.read { try $0.facts(patients: [right], asOf: nil) },
    ] {
      #expect(Set(facts.instruments.map(\.patient)) == [wrong, right])
      #expect(facts.images.map(\.version).sorted() == [1, 2])
      #expect(facts.images.allSatisfy { $0.firstRecorded == start })
    }
    #expect(try await bench.read { try $0.images(study: "1.2.3") }.isEmpty)
    #expect(try await bench.read { try $0.images(study: "9.9") } == [Build.key(1)])
  }

  @Test(arguments: Backend.allCases)
  func policiesAndFormsComeWithEveryFacts(backend: Backend) async throws {
    let bench = try await backend.open()
    let policy = Policy(recordID: random(), version: 1, effective: Instant(microseconds: 3))
    let form = Form(
      recordID: random(), reference: Form.Reference(id: "A", version: "2"), title: "Teaching",
      kind: .authorization, statements: Statements())
    let wide = ExpiryEvent(id: random(), patient: nil, definition: "course", expectedBy: nil)
    try await bench.append(Build.change(.policy(policy), .policyChanged))
    try await bench.append(Build.change(.form(form), .formRegistered))
    try await bench.append(Build.change(.expiryEvent(wide), .expiryEventDeclared))
    let facts = try await bench.read { try $0.facts(images: [Build.key(1)], asOf: nil) }
    #expect(facts.policies.map(\.version) == [1])
    #expect(facts.forms.map(\.title) == ["Teaching"])
    #expect(facts.expiryEvents.isEmpty)
    let organization = try await bench.read { try $0.organizationFacts(asOf: nil) }
    #expect(organization.expiryEvents.map(\.id) == [wide.id])
    #expect(try await bench.read { try $0.organizationFacts(asOf: 1) }.forms.isEmpty)
  }

  @Test(arguments: Backend.allCases)
  func whatIsNotRecordedCannotBeSpokenOf(backend: Backend) async throws {
    let bench = try await backend.open()
    let report = FalseInformation(id: random(), instrument: random(), note: "")
    await #expect(throws: InvalidChange.self) {
      try await bench.append(Build.change(.falseInformation(report), .instrumentFalsified))
    }
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient))
    await #expect(throws: InvalidChange.self) { try await bench.append(Build.patient(patient)) }
    await #expect(throws: InvalidChange.self) {
      try await bench.append(Build.end(random(), .grantExpired, at: bench.clock.now()))
    }
    #expect(try await bench.read { $0.head.position } == 1)
  }

  @Test(arguments: Backend.allCases)
  func everyRecordKindTellsItsPatient(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    let instrument = Build.instrument(of: patient, [Build.grant()])
    try await bench.append(Build.record(instrument))
    try await bench.append(Build.register(Build.image(Build.key(1), of: patient)))
    let determination = Determination(
      id: random(), image: Build.key(1), method: .safeHarbor, by: "x",
      determined: Instant(microseconds: 0))
    let event = ExpiryEvent(id: random(), patient: patient, definition: "d", expectedBy: nil)
    let about: [Record] = [
      .determination(determination),
      .determinationWithdrawal(
        DeterminationWithdrawal(id: random(), determination: determination.id, note: "")),
      .falseInformation(FalseInformation(id: random(), instrument: instrument.id, note: "")),
      .authorityEvidence(
        AuthorityEvidence(
          id: random(), instrument: instrument.id, finding: .showsNoAuthority, verifiedBy: "",
          note: "")),
      .restrictionEnd(RestrictionEnd(id: random(), instrument: instrument.id, note: "")),
      .expiryEvent(event),
      .expiryEventResolution(
        ExpiryEventResolution(id: random(), event: event.id, occurred: Instant(microseconds: 1))),
      .enteredInError(
        EnteredInError(
          id: random(),
          target: RecordReference(kind: .determination, id: determination.id.retyped()), note: "")),
    ]
    for record in about { try await bench.append(Build.change(record, .recordEnteredInError)) }
    let patients = try await bench.read { reader in
      try about.map { try reader.patient(of: RecordReference(kind: $0.kind, id: $0.id)) }
        + [reader.patient(ofGrant: instrument.grants[0].id)]
    }
    #expect(patients.allSatisfy { $0 == patient })
    let facts = try await bench.read { try $0.facts(images: [Build.key(1)], asOf: nil) }
    #expect(facts.enteredInError.count == 1)
    #expect(facts.expiryEventResolutions.count == 1)
    #expect(try await bench.read { try $0.patient(ofGrant: random()) } == nil)
    #expect(
      try await bench.read { try $0.patient(of: RecordReference(kind: .form, id: random())) }
        == nil)
  }

  @Test(arguments: Backend.allCases)
  func aLargeImportIsOneChange(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    var change = Build.patient(patient)
    for number in 0..<1_500 {
      let image = Build.image(
        Build.key(number), of: patient, series: "1.5.\(number % 7)",
        sources: number % 100 == 1 ? [Build.key(number - 1)] : [])
      change.events.append(Build.event(.imageRegistered, image.recordID.description))
      change.records.append((.image(image), change.events.count - 1))
    }
    let positions = try await bench.append(change)
    #expect(positions.count == 1_501)
    let facts = try await bench.read { try $0.facts(patients: [patient], asOf: nil) }
    #expect(facts.images.count == 1_500)
    #expect(facts.images.count { !$0.sources.isEmpty } == 15)
    let keys = try await bench.read { try $0.images(series: "1.5.3") }
    #expect(keys == keys.sorted() && keys.count == 214)
  }

  @Test(arguments: Backend.allCases)
  func patientsArePagedInOrder(backend: Backend) async throws {
    let bench = try await backend.open()
    let patients: [PatientID] = (0..<5).map { _ in random() }
    for patient in patients { try await bench.append(Build.patient(patient)) }
    try await bench.append(Build.patient(patients[0], version: 2))
    let sorted = patients.sorted()
    let pages = try await bench.read { reader in
      let first = try reader.patients(after: nil, limit: 3)
      return (first, try reader.patients(after: first.last, limit: 3))
    }
    #expect(pages.0 == Array(sorted[..<3]))
    #expect(pages.1 == Array(sorted[3...]))
  }
}
