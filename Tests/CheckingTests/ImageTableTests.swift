import ConsentCore
import ConsentStore
import Testing

@testable import Checking

/// The rows behind the index: found again through every growth and removal, and of a fixed size.
@Suite struct ImageTableTests {
  @Test(arguments: [UInt64.random(in: 0...(.max)), 5])
  func randomChangesAgreeWithADictionary(seed: UInt64) {
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    var table = ImageTable()
    var model: [Int: UInt32] = [:]
    for _ in 0..<20_000 {
      let key = Int.random(in: 0..<700, using: &generator)
      let digest = ImageDigest(Build.key(key))
      if let number = model[key] {
        #expect(table.find(digest) == number, "seed \(seed)")
        guard Bool.random(using: &generator) else { continue }
        table.remove(number)
        model[key] = nil
      } else {
        #expect(table.find(digest) == nil, "seed \(seed)")
        let number = table.insert(
          ImageTable.Row(digest: digest, circle: CircleID(number: UInt32(key))))
        #expect(!model.values.contains(number), "seed \(seed)")
        model[key] = number
      }
      #expect(table.count == model.count)
    }
    for (key, number) in model {
      #expect(table.find(ImageDigest(Build.key(key))) == number)
      #expect(table[number].circle.number == UInt32(key))
    }
  }

  /// 64 bytes an image with its share of the hash table, however many references a fact has.
  @Test func aRowIsSmallAndHoldsNoReference() {
    #expect(MemoryLayout<ImageTable.Row>.stride == 40)
    #expect(_isPOD(ImageTable.Row.self))
    #expect(MemoryLayout<CircleState?>.stride <= 48)
    var row = ImageTable.Row(digest: ImageDigest(Build.key(0)), circle: CircleID(number: 0))
    #expect(row.prepared == ImageTable.none && row.acquiredDay == nil)
    for place in [UInt32(0), 65_534, ImageTable.none] {
      row.prepared = place
      #expect(row.prepared == place)
    }
    row.acquiredDay = LocalDay(daysSince1970: -1)
    #expect(row.acquiredDay == LocalDay(daysSince1970: -1))
  }

  /// Images of which decisions read more than a row has keep all that was read.
  @Test func whatIsNotPlainIsKeptWhole() async throws {
    let clinic = try await Clinic(.memory)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    try await clinic.image(0, of: one)
    try await clinic.image(0, of: one, version: 2)
    try await clinic.image(1, of: one)
    try await clinic.image(2, of: one, sources: [Build.key(1)])
    try await clinic.image(
      3, of: other, part2: Part2Mark(programUnit: Identifier(system: "u", value: "v")))
    var index = FactIndex(limit: 100)
    index.beginReading()
    index.install(
      try await clinic.bench.read {
        try FactFill(.init(images: (0..<5).map(Build.key)), after: nil, in: $0)
      })
    let facts = (0..<5).map { index.imageCase(Build.key($0))?.facts.images ?? [] }
    #expect(facts.map(\.count) == [2, 1, 2, 1, 0])
    #expect(facts[1].map(\.stamp) == [.unstamped])
    #expect(facts[3].first?.part2 != nil)
  }
}

/// What is ready to be decided on goes when its place is needed, or its circle does, and comes again.
@Suite struct PreparedCasesTests {
  @Test(arguments: [UInt64.random(in: 0...(.max)), 5])
  func fewPlacesServeManyImages(seed: UInt64) async throws {
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let clinic = try await Clinic(.memory)
    var patients: [PatientID] = []
    for number in 0..<30 {
      if number % 3 == 0 { patients.append(try await clinic.patient()) }
      try await clinic.image(number, of: patients[number / 3])
    }
    var index = FactIndex(limit: 100, prepared: 7)
    for _ in 0..<40 {
      let applied = index.applied
      index.beginReading()
      index.install(
        try await clinic.bench.read {
          try FactFill(.init(images: (0..<30).map(Build.key)), after: applied, in: $0)
        })
      for _ in 0..<60 {
        let number = Int.random(in: 0..<30, using: &generator)
        let prepared = index.imageCase(Build.key(number))
        let found = try #require(prepared, "seed \(seed)")
        #expect(found.key == Build.key(number) && found.latestPatient == patients[number / 3])
      }
      _ = try await clinic.paper(of: patients[Int.random(in: 0..<10, using: &generator)])
    }
  }
}
