import ConsentCore
import ConsentProto
import SwiftProtobuf
import Testing

@testable import ConsentServer

/// Requests with a few spoiled bytes: each is answered or refused by a known error, and a refused
/// one leaves the feed where it was.
@Suite struct SpoiledRequestTests {
  struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var word = state
      word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
      word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
      return word ^ (word >> 31)
    }
  }

  typealias Handler<Request, Response> =
    @Sendable (ConsentService, Request, Principal) async throws -> Response

  /// - Returns: whether it was refused.
  static func call<Request: Message, Response>(
    _ desk: RecordDesk, _ bytes: [UInt8], _ handler: Handler<Request, Response>
  ) async throws -> Bool {
    guard let request = try? Request(serializedBytes: bytes) else { return true }
    let before = try await desk.head()
    do {
      _ = try await handler(desk.service, request, desk.caller)
      return false
    } catch {
      #expect(
        ServiceError(mapping: error) != nil, "\(Request.protoMessageName): \(type(of: error))")
      let after = try await desk.head()
      #expect(before == after, "\(Request.protoMessageName) was refused and stored something")
      return true
    }
  }

  static func spoil(_ bytes: [UInt8], _ generator: inout Generator) -> [UInt8] {
    var spoiled = bytes
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      guard let index = spoiled.indices.randomElement(using: &generator) else { break }
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: spoiled[index] = UInt8.random(in: 0...255, using: &generator)
      case 1: spoiled.remove(at: index)
      default: spoiled.insert(UInt8.random(in: 0...255, using: &generator), at: index)
      }
    }
    return spoiled
  }

  @Test func aSpoiledRequestIsAnsweredOrRefusedAndNeverHalfStored() async throws {
    let seed = UInt64.random(in: .min ... .max)
    var generator = Generator(state: seed)
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let paper = try await desk.record(id).instrument
    var images = Consent_V1_RegisterImagesRequest()
    images.patient.patientID = id
    images.images = [RecordDesk.item("1.2.3.5"), RecordDesk.dicom(DICOMImageTests.dataset([:]))]
    images.idempotencyKey = "images"
    var corrections = Consent_V1_CorrectImagesRequest()
    corrections.corrections = [.with { $0.fields = RecordDesk.item("1.2.3.4").fields }]
    corrections.note = "why"
    corrections.idempotencyKey = "corrections"
    var patient = Consent_V1_RegisterPatientRequest()
    patient.fields = RecordDesk.fields("P-9", born: "1980-01-01")
    patient.idempotencyKey = "patient"
    var policy = Consent_V1_SetPolicyRequest()
    policy.switches = Consent_V1_PolicySwitches(Policy())
    policy.effectiveFrom = Google_Protobuf_Timestamp("2026-12-01T00:00:00Z")
    policy.idempotencyKey = "policy"
    let instrument: [UInt8] = try desk.request(id, RecordDesk.paper()).serializedBytes()
    let revocation: [UInt8] = try desk.revocation(id, paper.grants.map(\.grantID)).serializedBytes()
    let originals: [[UInt8]] = [
      try patient.serializedBytes(), try images.serializedBytes(),
      try corrections.serializedBytes(), instrument, revocation, try policy.serializedBytes(),
    ]
    var refused = 0
    for round in 0..<600 {
      let bytes = SpoiledRequestTests.spoil(originals[round % originals.count], &generator)
      let wasRefused =
        switch round % originals.count {
        case 0: try await Self.call(desk, bytes, ConsentService.registerPatient)
        case 1: try await Self.call(desk, bytes, ConsentService.registerImages)
        case 2: try await Self.call(desk, bytes, ConsentService.correctImages)
        case 3: try await Self.call(desk, bytes, ConsentService.recordInstrument)
        case 4: try await Self.call(desk, bytes, ConsentService.revoke)
        default: try await Self.call(desk, bytes, ConsentService.setPolicy)
        }
      if wasRefused { refused += 1 }
    }
    #expect(refused > 0 && refused < 600, "seed \(seed)")
  }
}
