import ConsentCore
import ConsentStore
import Testing

@testable import Checking

@Suite(.fewAtOnce) struct FactSplitTests {
  /// What was read for many images at once, taken apart, is what is read for each alone.
  @Test(arguments: Backend.allCases, [UInt64.random(in: 0...(.max)), 3])
  func eachImageGetsTheFactsReadForItAlone(backend: Backend, seed: UInt64) async throws {
    print("seed \(seed)")
    let bench = try await backend.open()
    var register = RandomRegister(seed: seed)
    for _ in 0..<120 { _ = try? await bench.append(register.next(now: bench.clock.now())) }
    let keys = register.keys + [.sopInstance("1.2.826.0.1.999")]
    let patients = register.patients
    let (alone, together, ofPatients) = try await bench.read { reader in
      (
        try keys.map { try reader.facts(images: [$0], asOf: nil) },
        try reader.facts(images: keys, asOf: nil), try reader.facts(patients: patients, asOf: nil)
      )
    }
    for union in [together, ofPatients] {
      let whole = FactSplit(union)
      let parts = whole.parts(keys)
      let split = Dictionary(
        uniqueKeysWithValues: parts.flatMap { part in
          part.images.map { ($0.key, part.facts(of: $0, under: whole.rules)) }
        })
      for (key, expected) in zip(keys, alone) {
        let own = try #require(split[key])
        #expect(own.records == expected.records, "seed \(seed), \(key.text)")
        #expect(own.organizationHoldsPart2 == expected.organizationHoldsPart2)
        #expect(Set(own.unevaluable) == Set(expected.unevaluable))
      }
    }
  }

  @Test func imagesOfOnePatientShareThePapersInMemory() async throws {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    for number in 0..<3 { try await clinic.image(number, of: patient) }
    _ = try await clinic.paper(of: patient)
    var index = FactIndex(limit: 10)
    index.beginReading()
    index.install(
      try await clinic.bench.read {
        try FactFill(.init(images: (0..<3).map(Build.key)), after: nil, in: $0)
      })
    #expect(index.count == 3)
    let places = Set(
      (0..<3).compactMap { index.imageCase(Build.key($0)) }.map {
        Self.place($0.facts.instruments)
      })
    #expect(places.count == 1)
    // A look-up hands out what is there: the same object each time, with the same storage.
    let first = index.imageCase(Build.key(0))
    #expect(first != nil && first === index.imageCase(Build.key(0)))
  }

  private static func place(_ array: [some Any]) -> UInt {
    array.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
  }
}
