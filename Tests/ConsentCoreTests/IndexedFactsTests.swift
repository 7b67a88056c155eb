import Testing

@testable import ConsentCore

/// The index answers as a look through all records would.
@Suite struct IndexedFactsTests {
  static let registers: [String] = [
    "patient P1; image I1 of=P1; image I2 of=P1",
    "patient P1; patient P2; image I1 of=P1; image I1 of=P2 v=2; image I1 of=P1 v=3",
    "patient P1; image I1 of=P1; image I1 of=P1 v=2; error E1 target=IMAGE:I1v2",
    "patient P1; image I1 of=P1; error E1 target=IMAGE:I1v1",
    """
    patient P1; image I1 of=P1; image I1 of=P1 v=2; error E1 target=IMAGE:I1v2;
    error E2 target=ENTERED_IN_ERROR:E1
    """,
  ]

  private func current(_ key: ImageKey, _ facts: Facts) -> ImageRecord? {
    let errors = EnteredErrors(facts.enteredInError)
    return facts.images
      .filter { $0.key == key && !errors.contains(.image, $0.recordID) }
      .max { $0.version < $1.version }
  }

  private func expectAgreement(_ known: IndexedFacts) throws {
    for key in [try key("I1"), try key("I2"), try key("I9")] {
      #expect(known.currentImage(key) == current(key, known.facts))
      let versions = known.facts.images.filter { $0.key == key }
      #expect(known.imageVersions(key)?.latest == versions.map(\.version).max())
      #expect(
        known.imageVersions(key)?.firstRecorded
          == versions.min { $0.version < $1.version }?.firstRecorded)
    }
    #expect(Set(known.imageKeys) == Set(known.facts.images.map(\.key)))
  }

  @Test(arguments: registers)
  func theVersionThatSpeaksIsFoundInAnyOrder(_ text: String) throws {
    var facts = try World(text).facts
    try expectAgreement(IndexedFacts(facts))
    facts.images.reverse()
    try expectAgreement(IndexedFacts(facts))
  }

  @Test(arguments: registers)
  func aRecordAddedLaterCountsAsIfItHadBeenThere(_ text: String) throws {
    let facts = try World(text).facts
    var known = IndexedFacts(Facts())
    for image in facts.images { known.insert(.image(image)) }
    try expectAgreement(known)
    for error in facts.enteredInError {
      known.insert(.enteredInError(error))
      try expectAgreement(known)
    }
    for image in facts.images {
      #expect(known.currentImage(image.key) == current(image.key, facts))
    }
  }

  @Test func oneChangeMayBuildOnAnother() throws {
    var builder = ChangeBuilder(
      facts: try World("patient P1").facts,
      clock: CommandClock(now: try instant("2026-06-10T14:05:00Z"), today: try day("2026-06-10")))
    let images = try World("image I1 of=P1; image I2 of=P1 kind=DERIVATIVE sources=I1").facts.images
    let unknown = builder
    #expect(throws: CommandRefusal.self) { try unknown.registerImage(images[1]) }
    builder.insert(try builder.registerImage(images[0]))
    let change = try builder.registerImage(images[1])
    #expect(change.events.map(\.kind) == [.imageRegistered])
    let again = builder
    #expect(throws: CommandRefusal.self) { try again.registerImage(images[0]) }
  }
}
