import ConsentCore
import ConsentStore
import Testing

/// Patients, images and grants are stored in columns, one by one, so that a field added to the
/// domain can be forgotten here, and a limit on a grant would vanish with it.
@Suite(.fewAtOnce) struct EveryFieldTests {
  static let patient: PatientID = random()
  static let other: PatientID = random()
  static let day = LocalDay(daysSince1970: 20_000)
  static let instant = Instant(microseconds: 1_900_000_000_000_001)
  static let identifier = Identifier(system: "urn:s", value: "v")

  static let person = PatientRecord(
    recordID: random(), id: patient, version: 1, majority: instant, timeZoneDataVersion: "2026a",
    majorityDay: day)
  static let merge = PatientMerge(id: random(), survivor: patient, merged: other, note: "why")
  static let image = ImageRecord(
    recordID: random(), key: Build.key(1), version: 1, patient: patient, kind: .derivative,
    studyUID: "1.1", seriesUID: "1.2", sopClassUID: "1.3", modality: "DX", bodyPart: "CHEST",
    laterality: "L", acquiredDay: day, acquired: instant, accession: identifier, encounter: "e",
    department: "d", site: "s", fhirReference: "ImagingStudy/1",
    claims: .init(identityRemoved: .yes, burnedInAnnotation: .no, recognizableVisualFeatures: .yes),
    part2: Part2Mark(programUnit: identifier), sources: [Build.key(2)], note: "n")
  static let grant = Grant(
    id: random(), part: 3, effect: .deny, scope: .image(Build.key(1)), presentOnly: true,
    uses: [.education], audiences: [.external],
    recipients: [
      Party(kind: .person, identifier: identifier, name: "n", address: "a", memberOf: [identifier])
    ],
    disclosers: [Party(kind: .organization, identifier: identifier)], channels: [.publication],
    effectiveFrom: instant, expiry: .date(day, until: instant), withoutDerivatives: true,
    obligations: [.cropToRegion, .reviewWithin(hours: 5)])

  @Test(arguments: Backend.allCases)
  func everyFieldComesBack(backend: Backend) async throws {
    let bench = try await backend.open()
    try await bench.append(
      Build.change(.patient(Self.person), .patientRegistered, patient: Self.patient))
    try await bench.append(Build.patient(Self.other))
    try await bench.append(Build.change(.merge(Self.merge), .patientsMerged))
    try await bench.append(Build.register(Build.image(Build.key(2), of: Self.patient)))
    try await bench.append(Build.register(Self.image))
    try await bench.append(Build.record(Build.instrument(of: Self.patient, [Self.grant])))
    let facts = try await bench.read { try $0.facts(images: [Build.key(1)], asOf: nil) }
    var (person, merge, image) = (Self.person, Self.merge, Self.image)
    let now = bench.clock.now()
    person.stamp = Stamp(position: 1, recorded: now, by: "tester")
    merge.stamp = Stamp(position: 3, recorded: now, by: "tester")
    image.stamp = Stamp(position: 5, recorded: now, by: "tester")
    image.firstRecorded = now
    #expect(facts.patients.first { $0.id == Self.patient } == person)
    #expect(facts.merges == [merge])
    #expect(facts.images.first { $0.key == Build.key(1) } == image)
    #expect(facts.instruments.map(\.grants) == [[Self.grant]])
    #expect(facts.unevaluable.isEmpty)
  }

  /// The samples above leave no field at the value that a forgotten column would give.
  @Test func theSamplesFillEveryField() {
    for sample in [Self.person, Self.merge, Self.image, Self.grant] as [Any] {
      for (name, value) in Mirror(reflecting: sample).children
      where name != "stamp" && name != "firstRecorded" {
        #expect(
          !EveryFieldTests.isEmpty(value), "\(type(of: sample)).\(name ?? "") is at its default")
      }
    }
    #expect(EveryFieldTests.isEmpty(false) && EveryFieldTests.isEmpty(String?.none as Any))
    #expect(EveryFieldTests.isEmpty([Int]()) && !EveryFieldTests.isEmpty("x"))
  }

  static func isEmpty(_ value: Any) -> Bool {
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional, .collection: return mirror.children.isEmpty
    default: return (value as? Bool) == false
    }
  }
}
