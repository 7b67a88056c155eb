import ConsentCore
import ConsentProto
import Foundation
import SwiftProtobuf
import Testing

@testable import ConsentServer

/// The short way to read a check's request gives what the long way gives, or nothing.
struct FamiliarCheckTests {
  private typealias Generator = SpoiledRequestTests.Generator

  /// What both ways are compared by; text as bytes, because Swift's `==` knows other spellings of it.
  private struct Read: Equatable {
    var question: [UInt8]
    var request: CheckRequest
    var patient: [[UInt8]]?
    var position: KnownPosition?

    init(_ question: Question, _ position: KnownPosition?) throws {
      self.question = try Consent_V1_UseRequest(question.request).serializedBytes()
      request = question.request
      patient = question.patientIdentifier.map { [Array($0.system.utf8), Array($0.value.utf8)] }
      self.position = position
    }
  }

  private static func long(_ bytes: [UInt8]) -> Read? {
    guard let message = try? Consent_V1_CheckRequest(serializedBytes: bytes) else { return nil }
    return try? RequestReader.read { reader -> Read? in
      let question = reader.within("request") {
        $0.completeQuestion(message.request, now: Instant(microseconds: 0))
      }
      let position = reader.minPosition(message.hasMinPosition ? message.minPosition : nil)
      return question.flatMap { try? Read($0, position) }
    }
  }

  /// - Returns: whether the short way was taken, or `nil` where it gave something else.
  private static func agrees(
    _ bytes: [UInt8], _ deviation: ProtobufCursor.Deviation? = nil
  ) throws -> Bool? {
    guard let short = FamiliarCheck(bytes, deviation: deviation) else { return false }
    return try Read(short.question, short.minPosition) == Self.long(bytes) ? true : nil
  }

  @Test func theCommonestRequestGoesTheShortWay() throws {
    var request = Consent_V1_CheckRequest()
    request.request = RequestReaderTests.asked
    #expect(try Self.agrees(try request.serializedBytes()) == true)
    request.request.patient.identifier = RecordDesk.identifier("P-1")
    request.request.actor.memberOf = [RecordDesk.identifier("a"), RecordDesk.identifier("b")]
    request.request.workstation = "Lesesaal 3, Süd"
    request.minPosition.position = 1 << 40
    request.minPosition.chain = Data(repeating: 7, count: 32)
    #expect(try Self.agrees(try request.serializedBytes()) == true)
  }

  @Test(arguments: RequestReaderTests.spoiled.indices)
  func whatIsFaultyGoesTheLongWay(index: Int) throws {
    var request = Consent_V1_CheckRequest()
    request.request = RequestReaderTests.asked
    RequestReaderTests.spoiled[index].1(&request.request)
    #expect(FamiliarCheck(try request.serializedBytes()) == nil)
  }

  @Test func anyRequestIsReadTheSameBothWays() throws {
    let seed = UInt64.random(in: .min ... .max)
    var g = Generator(state: seed)
    var short = 0
    for round in 0..<6_000 {
      let bytes = try Self.bytes(&g)
      let agreed = try Self.agrees(bytes)
      #expect(agreed != nil, "seed \(seed) round \(round): \(bytes)")
      if agreed == true { short += 1 }
    }
    #expect(short > 300, "seed \(seed): only \(short)")
  }

  @Test(arguments: ProtobufCursor.Deviation.allCases)
  func aBrokenReaderIsNoticed(deviation: ProtobufCursor.Deviation) throws {
    let seed = UInt64.random(in: .min ... .max)
    var g = Generator(state: seed)
    for _ in 0..<60_000 {
      if try Self.agrees(try Self.bytes(&g), deviation) == nil { return }
    }
    Issue.record("\(deviation) was not noticed, seed \(seed)")
  }

  // MARK: Requests of every kind

  private static func bytes(_ g: inout Generator) throws -> [UInt8] {
    let plain = try request(&g, odd: .random(using: &g)).serializedBytes() as [UInt8]
    switch Int.random(in: 0..<5, using: &g) {
    case 0: return SpoiledRequestTests.spoil(plain, &g)
    case 1:
      // Two messages one after the other are one that is merged.
      return plain + (try request(&g, odd: false).serializedBytes() as [UInt8])
    case 2:
      let one = try question(&g, odd: false).serializedBytes() as [UInt8]
      var part = Consent_V1_UseRequest()
      switch Int.random(in: 0..<4, using: &g) {
      case 0: part.image = image(&g)
      case 1: part.actor.memberOf = [identifier(&g, odd: false)]
      case 2: part.use = .research
      default: part.recipient.name = "another"
      }
      return wrapped(one + (try part.serializedBytes() as [UInt8]))
    default: return plain
    }
  }

  private static func wrapped(_ question: [UInt8]) -> [UInt8] {
    var length: [UInt8] = []
    var rest = question.count
    while rest >= 0x80 {
      length.append(UInt8(rest & 0x7F | 0x80))
      rest >>= 7
    }
    return [0x0A] + length + [UInt8(rest)] + question
  }

  private static func request(_ g: inout Generator, odd: Bool) throws -> Consent_V1_CheckRequest {
    var request = Consent_V1_CheckRequest()
    request.request = question(&g, odd: odd)
    if one(in: 3, &g) {
      request.minPosition.position = UInt64.random(in: 0...UInt64.max, using: &g) >> (odd ? 0 : 2)
      let count = odd ? 31 : 32
      if one(in: 2, &g) { request.minPosition.chain = Data(repeating: 9, count: count) }
    }
    if odd, one(in: 9, &g) {
      // A field of a later version.
      request = try Consent_V1_CheckRequest(
        serializedBytes: (try request.serializedBytes() as [UInt8]) + [0x60, 0x01])
    }
    return request
  }

  private static func question(_ g: inout Generator, odd: Bool) -> Consent_V1_UseRequest {
    func number(_ most: Int) -> Int {
      Int.random(in: (odd ? 0 : 1)...(odd ? most + 1 : most), using: &g)
    }
    var value = Consent_V1_UseRequest()
    if !odd || !one(in: 12, &g) { value.image = image(&g) }
    value.use = Consent_V1_Use(rawValue: number(Use.allCases.count)) ?? .unspecified
    value.audience = Consent_V1_Audience(rawValue: number(Audience.allCases.count)) ?? .unspecified
    value.channel = Consent_V1_Channel(rawValue: number(Channel.allCases.count)) ?? .unspecified
    value.intent = Consent_V1_Intent(rawValue: number(Intent.allCases.count)) ?? .unspecified
    value.actor.user = identifier(&g, odd: odd)
    value.actor.roleClass =
      Consent_V1_RoleClass(rawValue: number(RoleClass.allCases.count)) ?? .unspecified
    value.actor.relationship =
      Consent_V1_Relationship(rawValue: number(Relationship.allCases.count)) ?? .unspecified
    if one(in: 4, &g) { value.actor.npi = odd ? "12345" : "1234567890" }
    let memberships = odd && one(in: 30, &g) ? 65 : Int.random(in: 0...2, using: &g)
    value.actor.memberOf = (0..<memberships).map { _ in identifier(&g, odd: odd) }
    if !odd || one(in: 2, &g) {
      value.recipient.kind =
        Consent_V1_RecipientKind(rawValue: number(RecipientKind.allCases.count)) ?? .unspecified
      if one(in: 2, &g) { value.recipient.identifier = identifier(&g, odd: odd) }
      if one(in: 2, &g) { value.recipient.name = text(&g, odd: odd) }
      if one(in: 3, &g) { value.recipient.address = text(&g, odd: odd) }
      if one(in: 3, &g) { value.recipient.memberOf = [identifier(&g, odd: odd)] }
    }
    switch Int.random(in: 0..<4, using: &g) {
    case 0: value.patient.patientID = odd ? text(&g, odd: odd) : UUID().uuidString
    case 1: value.patient.identifier = identifier(&g, odd: odd)
    default: break
    }
    if one(in: 4, &g) { value.encounterID = text(&g, odd: odd) }
    if one(in: 4, &g) { value.orderID = text(&g, odd: odd) }
    if one(in: 4, &g) { value.workstation = text(&g, odd: odd) }
    if one(in: 4, &g) { value.correlationID = text(&g, odd: odd) }
    if odd, one(in: 9, &g) { value.emergency.statement = "now" }
    return value
  }

  private static func image(_ g: inout Generator) -> Consent_V1_ImageKey {
    var key = Consent_V1_ImageKey()
    switch Int.random(in: 0..<12, using: &g) {
    case 0: key.sha256 = Data((0..<32).map { _ in UInt8.random(in: 0...255, using: &g) })
    case 1: key.sha256 = Data(count: 31)
    case 2: key.sopInstanceUid = "1.02"
    case 3: key.sopInstanceUid = String(repeating: "1.", count: 40) + "1"
    default: key.sopInstanceUid = "1.2.840.\(UInt32.random(in: 0...UInt32.max, using: &g))"
    }
    return key
  }

  private static func identifier(_ g: inout Generator, odd: Bool) -> Consent_V1_Identifier {
    var identifier = Consent_V1_Identifier()
    identifier.system = "urn:example:\(Int.random(in: 0...9, using: &g))"
    identifier.value = text(&g, odd: odd)
    return identifier
  }

  private static func text(_ g: inout Generator, odd: Bool) -> String {
    let plain = ["u1", "Süd", "漢字", "e\u{301}", "\u{E9}", "a b/c", "\u{A0}x", "\u{FEFF}"]
    let strange = ["", "a\u{0}b", "a\u{85}b", "tab\there", "\u{7F}", "\u{9F}"]
    if odd, one(in: 4, &g) {
      return one(in: 4, &g)
        ? String(repeating: "x", count: Int.random(in: 1_023...1_026, using: &g))
        : strange.randomElement(using: &g) ?? ""
    }
    return plain.randomElement(using: &g) ?? ""
  }

  private static func one(in count: Int, _ g: inout Generator) -> Bool {
    Int.random(in: 0..<count, using: &g) == 0
  }
}
