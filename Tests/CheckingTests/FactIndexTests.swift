import ConsentCore
import ConsentStore
import Testing

@testable import Checking

/// The rules of the index, without a thread or a database between them.
@Suite struct FactIndexTests {
  private func fill(_ clinic: Clinic, _ numbers: Range<Int>, after index: FactIndex) async throws
    -> FactFill
  {
    let applied = index.applied
    return try await clinic.bench.read {
      try FactFill(.init(images: numbers.map(Build.key)), after: applied, in: $0)
    }
  }

  private func filled(
    _ clinic: Clinic, _ numbers: Range<Int>, deviation: CheckingMutant? = nil
  ) async throws -> FactIndex {
    var index = FactIndex(limit: 100, deviation: Deviation(deviation))
    index.beginReading()
    index.install(try await fill(clinic, numbers, after: index))
    return index
  }

  private func rows(_ clinic: Clinic, after index: FactIndex) async throws -> FeedFollowing {
    let position = index.applied?.position ?? 0
    return try await clinic.bench.read { reader in
      FeedFollowing(
        head: reader.head, rows: try reader.feed(after: position, limit: 1_000),
        holdsPart2: try reader.organizationFacts(asOf: nil).organizationHoldsPart2)
    }
  }

  private func follow(_ clinic: Clinic, _ index: inout FactIndex) async throws {
    let following = try await rows(clinic, after: index)
    try index.follow(following.rows, to: following.head, holdsPart2: following.holdsPart2)
  }

  @Test func aRowDropsWhatItConcernsAndNothingElse() async throws {
    let clinic = try await Clinic(.memory)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    for number in 0..<2 { try await clinic.image(number, of: one) }
    try await clinic.image(2, of: other)
    try await clinic.image(3, of: other, sources: [Build.key(0)])
    var index = try await filled(clinic, 0..<5)
    #expect(index.count == 5)
    _ = try await clinic.paper(of: one)
    try await follow(clinic, &index)
    #expect(index.applied == (try await clinic.head()))
    // 3 was made from an image of `one`; 4 is not registered.
    for number in [0, 1, 3] { #expect(!index.holds(Build.key(number)), "\(number)") }
    for number in [2, 4] { #expect(index.holds(Build.key(number)), "\(number)") }
    try await clinic.image(4, of: other)
    try await follow(clinic, &index)
    #expect(!index.holds(Build.key(4)))
    #expect(index.holds(Build.key(2)))
    try await clinic.image(2, of: one, version: 2)
    try await follow(clinic, &index)
    #expect(index.count == 0)
  }

  @Test func whatHasNoClearReachDropsEverything() async throws {
    let clinic = try await Clinic(.memory)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    try await clinic.image(0, of: one)
    let changes: [Change] = [
      // A merge row that names nobody.
      Build.change(.merge(Build.merge(one, other)), .patientsMerged),
      // An image row that names no image.
      Build.register(Build.image(Build.key(9), of: other)),
    ]
    for change in changes {
      var index = try await filled(clinic, 0..<1)
      #expect(index.count == 1)
      try await clinic.bench.append(change)
      try await follow(clinic, &index)
      #expect(index.count == 0)
    }
    var index = try await filled(clinic, 0..<1)
    try await clinic.bench.append(Change(events: [Build.event(.documentStored)]))
    try await follow(clinic, &index)
    #expect(index.count == 1)
  }

  @Test func anEventThatHappenedConcernsWhoHasAGrantOnIt() async throws {
    let clinic = try await Clinic(.memory)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    try await clinic.image(0, of: one)
    try await clinic.image(1, of: other)
    _ = try await clinic.paper(of: other)
    var index = try await filled(clinic, 0..<2)
    let event = ExpiryEvent(id: random(), patient: other, definition: "d", expectedBy: nil)
    try await clinic.bench.append(Build.change(.expiryEvent(event), .expiryEventDeclared))
    try await follow(clinic, &index)
    // No paper named it yet, and until it has happened it ends nothing.
    #expect(index.count == 2)
    var grant = Build.grant()
    grant.expiry = .event(event.id)
    _ = try await clinic.paper(of: one, grant)
    try await follow(clinic, &index)
    index.beginReading()
    index.install(try await fill(clinic, 0..<1, after: index))
    #expect(index.count == 2)
    let resolution = ExpiryEventResolution(
      id: random(), event: event.id, occurred: clinic.bench.clock.now())
    try await clinic.bench.append(
      Build.change(.expiryEventResolution(resolution), .expiryEventResolved))
    try await follow(clinic, &index)
    #expect(!index.holds(Build.key(0)))
    #expect(index.holds(Build.key(1)))

    // That it happened was an error: a row of the one patient that concerns the other's paper.
    index.beginReading()
    index.install(try await fill(clinic, 0..<1, after: index))
    #expect(index.holds(Build.key(0)))
    let error = EnteredInError(
      id: random(),
      target: RecordReference(kind: .expiryEventResolution, id: resolution.id.retyped()),
      note: "not yet")
    try await clinic.bench.append(
      Build.change(.enteredInError(error), .recordEnteredInError, patient: other))
    try await follow(clinic, &index)
    #expect(!index.holds(Build.key(0)))
  }

  @Test func theFirstPart2ImageIsSeenByEveryEntry() async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    try await clinic.image(0, of: patient)
    var index = try await filled(clinic, 0..<1)
    let mark = Part2Mark(programUnit: Identifier(system: "u", value: "v"))
    try await clinic.image(1, of: try await clinic.patient(), part2: mark)
    try await follow(clinic, &index)
    #expect(index.holdsPart2)
    #expect(index.imageCase(Build.key(0))?.organizationHoldsPart2 == true)
  }

  @Test(arguments: [nil, CheckingMutant.keepPolicies])
  func aPolicyIsReadAndDropsNoImage(mutant: CheckingMutant?) async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    try await clinic.image(0, of: patient)
    var index = try await filled(clinic, 0..<1, deviation: mutant)
    #expect(index.imageCase(Build.key(0))?.facts.policies.isEmpty == true)
    try await clinic.bench.append(
      Build.change(.policy(Policy(recordID: random(), version: 1)), .policyChanged))
    try await follow(clinic, &index)
    #expect(index.count == 1)
    // Nothing is answered until it has been read.
    #expect(index.holds(Build.key(0)) == (mutant != nil))
    index.beginReading()
    index.install(try await fill(clinic, 5..<6, after: index))
    #expect((index.imageCase(Build.key(0))?.facts.policies.count == 1) == (mutant == nil))
  }

  @Test(arguments: [nil, CheckingMutant.forgetMerged])
  func aMergeConcernsTheCirclesOfBoth(mutant: CheckingMutant?) async throws {
    let clinic = try await Clinic(.memory)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    try await clinic.image(0, of: one)
    try await clinic.image(1, of: other)
    try await clinic.image(2, of: try await clinic.patient())
    var index = try await filled(clinic, 0..<3, deviation: mutant)
    let merge = Build.merge(one, other)
    try await clinic.bench.append(Build.change(.merge(merge), .patientsMerged, patient: one))
    try await follow(clinic, &index)
    if mutant == nil { #expect((0..<3).allSatisfy { !index.holds(Build.key($0)) }) }
    let (applied, survivors) = (index.applied, Set(index.unsettled.merges.keys))
    index.beginReading()
    index.install(
      try await clinic.bench.read {
        try FactFill(.init(images: [Build.key(5)], survivors: survivors), after: applied, in: $0)
      })
    #expect(!index.holds(Build.key(0)))
    #expect(index.holds(Build.key(1)) == (mutant != nil))
    #expect(index.holds(Build.key(2)))
    // Undone, it stays one circle, which the row names.
    index.beginReading()
    index.install(try await fill(clinic, 0..<3, after: index))
    try await clinic.bench.append(
      Build.change(
        .unmerge(PatientUnmerge(id: random(), merge: merge.id, assignments: [])),
        .patientsUnmerged, patient: one))
    try await follow(clinic, &index)
    #expect(!index.holds(Build.key(0)))
    #expect(index.holds(Build.key(2)))
    if mutant == nil { #expect(!index.holds(Build.key(1))) }
  }

  @Test(arguments: [nil, CheckingMutant.fillWithoutPosition])
  func aFillOlderThanAChangeThatPassedIsRefused(mutant: CheckingMutant?) async throws {
    let clinic = try await Clinic(.memory)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    try await clinic.image(0, of: one)
    try await clinic.image(1, of: other)
    var index = try await filled(clinic, 5..<6, deviation: mutant)
    index.beginReading()
    let read = try await fill(clinic, 0..<2, after: index)
    // Between the reading and its arrival a change of one of the two passes.
    _ = try await clinic.paper(of: one)
    try await follow(clinic, &index)
    index.install(read)
    #expect((!index.holds(Build.key(0))) == (mutant == nil))
    #expect(index.holds(Build.key(1)))
    #expect(index.applied == (try await clinic.head()))
  }

  @Test func changesUpToTheFillsPositionAreSkipped() async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    try await clinic.image(0, of: patient)
    var index = try await filled(clinic, 5..<6)
    let before = try await rows(clinic, after: index)
    _ = try await clinic.paper(of: patient)
    let behind = try await rows(clinic, after: index)
    index.beginReading()
    index.install(try await fill(clinic, 0..<1, after: index))
    #expect(index.holds(Build.key(0)))
    // The same rows again, from a batch that was sent before: nothing is dropped.
    try index.follow(behind.rows, to: behind.head, holdsPart2: nil)
    try index.follow(before.rows, to: before.head, holdsPart2: nil)
    let known = index.imageCase(Build.key(0))
    #expect(known?.facts.instruments.count == 1)
  }

  @Test func aReadingThatBeganBeforeEverythingWasDroppedIsRefused() async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    try await clinic.image(0, of: patient)
    var index = try await filled(clinic, 5..<6)
    index.beginReading()
    let read = try await fill(clinic, 0..<1, after: index)
    index.reset()
    index.install(read)
    #expect(index.count == 0)
    #expect(index.applied == nil)
  }

  @Test func gapsAndOtherHistoriesAreNotFollowed() async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    var index = try await filled(clinic, 0..<1)
    try await clinic.image(0, of: patient)
    try await clinic.image(1, of: patient)
    let following = try await rows(clinic, after: index)
    #expect(throws: FactIndex.Fault.gap) {
      try index.follow(
        Array(following.rows.dropFirst()), to: following.head, holdsPart2: nil)
    }
    var forged = following.rows
    forged[0].by = "somebody else"
    #expect(throws: FactIndex.Fault.historyReplaced) {
      try index.follow(forged, to: following.head, holdsPart2: nil)
    }
    try index.follow(following.rows, to: following.head, holdsPart2: false)
    var older = following.rows
    older[1].chain[0] ^= 1
    #expect(throws: FactIndex.Fault.historyReplaced) {
      try index.follow(older, to: following.head, holdsPart2: nil)
    }
  }

  @Test func memoryIsBounded() async throws {
    let clinic = try await Clinic(.memory)
    var index = FactIndex(limit: 7)
    for number in 0..<40 {
      try await clinic.image(number, of: try await clinic.patient())
      index.beginReading()
      index.install(try await fill(clinic, number..<number + 1, after: index))
      #expect(index.count <= 7)
      #expect(index.holds(Build.key(number)))
    }
    #expect(index.count == 7)
  }
}
