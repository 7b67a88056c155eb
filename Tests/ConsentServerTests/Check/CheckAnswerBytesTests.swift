import ConsentCore
import ConsentProto
import ConsentStore
import ProofLog
import SwiftProtobuf
import Testing

@testable import ConsentServer

/// An answer written without its message is the one that SwiftProtobuf writes.
struct CheckAnswerBytesTests {
  private typealias Generator = SpoiledRequestTests.Generator

  private static func long(_ logged: LoggedDecision, _ visible: Decision) throws -> [UInt8] {
    var response = Consent_V1_CheckResponse()
    response.decision = Consent_V1_Decision(logged: logged, visible: visible)
    return try response.serializedBytes()
  }

  @Test func everyAnswerIsWrittenByteForByte() throws {
    let seed = UInt64.random(in: .min ... .max)
    var g = Generator(state: seed)
    for round in 0..<3_000 {
      let logged = Self.logged(&g)
      let visible = logged.entry.decision
      let bytes = ProtobufWriter.checkResponse(logged, visible: visible)
      #expect(bytes == (try Self.long(logged, visible)), "seed \(seed) round \(round)")
    }
  }

  @Test(arguments: Reason.allCases)
  func everyReasonHasItsWords(reason: Reason) throws {
    var g = Generator(state: UInt64(reason.rawValue))
    let logged = Self.logged(&g)
    var decision = logged.entry.decision
    decision.primary = reason
    #expect(
      ProtobufWriter.checkResponse(logged, visible: decision) == (try Self.long(logged, decision)))
  }

  private struct Told {
    var logged: LoggedDecision
    var visible: Decision
  }

  /// The comparison sees each part of an answer: a writer that left one out, or took it from
  /// elsewhere, would be noticed.
  @Test func anAnswerThatDiffersAnywhereIsNoticed() throws {
    let breaks: [(inout Told) -> Void] = [
      { $0.visible.effect = $0.visible.effect == .permit ? .deny : .permit },
      { $0.visible.further.append(.refused) },
      { $0.visible.obligations.append(.part2Notice) },
      { $0.visible.validUntil = Instant(microseconds: 12) },
      { $0.visible.policyVersion += 1 },
      { $0.visible.rulesVersion += 1 },
      { $0.visible.at = Instant(microseconds: $0.visible.at.microseconds ^ 1) },
      { $0.visible.records.removeFirst() },
      { $0.visible.records[0].version += 1 },
      { $0.visible.records[0].grant = GrantID(high: 1, low: 1) },
      { $0.visible.records[0].defects.append(.purpose) },
      { $0.logged.id.leaf += 1 },
      { $0.logged.id.log = ID(high: 1, low: 2) },
      { $0.logged.head.position += 1 },
      { $0.logged.head.chain = [] },
      { $0.logged.receipt?.treeSize += 1 },
      { $0.logged.receipt?.epoch += 1 },
      { $0.logged.receipt?.signature = [1] },
      { $0.logged.receipt?.root = .empty },
    ]
    var g = Generator(state: 5)
    var logged = Self.logged(&g)
    while logged.receipt == nil || logged.head.chain.isEmpty
      || logged.entry.decision.records.first?.record.kind != .instrument
    {
      logged = Self.logged(&g)
    }
    let decision = logged.entry.decision
    let right = try Self.long(logged, decision)
    for (index, spoil) in breaks.enumerated() {
      var told = Told(logged: logged, visible: decision)
      spoil(&told)
      let bytes = ProtobufWriter.checkResponse(told.logged, visible: told.visible)
      #expect(bytes != right, "\(index)")
    }
  }

  @Test func aBufferThatIsTooSmallGrows() {
    var writer = ProtobufWriter(capacity: 1)
    for _ in 0..<40 { writer.put(1, String(repeating: "x", count: 300)) }
    #expect(writer.message.count == 40 * 303)
    #expect(Array(writer.message.prefix(4)) == [0x0A, 0xAC, 0x02, 0x78])
  }

  @Test(arguments: [1, 0x7F, 0x80, 0x3FFF, 0x4000, UInt64(UInt32.max), 1 << 62, 1 << 63, .max])
  func numbersAreWrittenAsSwiftProtobufWritesThem(number: UInt64) throws {
    var writer = ProtobufWriter(capacity: 1)
    writer.put(1, number)
    let bytes: [UInt8] = try Google_Protobuf_UInt64Value(number).serializedBytes()
    #expect(writer.message == bytes)
  }

  // MARK: Answers of every kind

  private static func logged(_ g: inout Generator) -> LoggedDecision {
    let request = CheckRequest(
      image: .sopInstance("1.2.\(g.next())"), use: .education, audience: .external,
      channel: .publication, actor: nil,
      recipient: maybe(&g) { g in
        Party(
          kind: word(&g), identifier: maybe(&g) { identifier(&$0) }, name: maybe(&g) { text(&$0) },
          address: maybe(&g) { text(&$0) }, memberOf: list(&g, 2) { identifier(&$0) })
      })
    let decision = Decision(
      effect: word(&g), primary: word(&g), further: list(&g, 3) { word(&$0) },
      records: list(&g, 4) { g in
        DecidingRecord(
          part: word(&g), record: RecordReference(kind: word(&g), id: id(&g)),
          grant: maybe(&g) { id(&$0) }, version: Int.random(in: -1...900, using: &g),
          reason: word(&g), defects: list(&g, 3) { word(&$0) })
      },
      obligations: list(&g, 4) { g in
        [
          .removeBurnedInIdentifiers, .stripMetadata, .cropToRegion, .limitToRecipient,
          .askReceiverNotToRedisclose, .part2Notice,
          .reviewWithin(hours: Int.random(in: 0...5_000, using: &g)),
        ].randomElement(using: &g) ?? .stripMetadata
      },
      policyVersion: Int.random(in: 0...70_000, using: &g), validUntil: maybe(&g) { instant(&$0) },
      at: instant(&g), rulesVersion: Int.random(in: 0...9, using: &g))
    return LoggedDecision(
      id: DecisionID(log: id(&g), leaf: g.next() >> UInt64.random(in: 0...63, using: &g)),
      entry: DecisionEntry(
        caller: "c", limits: CallerLimits(), request: request, decision: decision, patient: nil),
      head: FeedHead(
        position: g.next() >> UInt64.random(in: 0...63, using: &g),
        chain: maybe(&g) { random(&$0, 32) } ?? [], known: instant(&g), factPosition: 0),
      receipt: maybe(&g) { g in
        LogReceipt(
          treeSize: g.next() >> 40, root: TreeHash(random(&g, 32)) ?? .empty, epoch: g.next() >> 60,
          signature: maybe(&g) { random(&$0, 64) } ?? [])
      })
  }

  private static func maybe<Value>(
    _ g: inout Generator, _ value: (inout Generator) -> Value
  ) -> Value? {
    Bool.random(using: &g) ? value(&g) : nil
  }

  private static func list<Value>(
    _ g: inout Generator, _ most: Int, _ value: (inout Generator) -> Value
  ) -> [Value] {
    (0..<Int.random(in: 0...most, using: &g)).map { _ in value(&g) }
  }

  private static func word<Word: CaseIterable>(_ g: inout Generator) -> Word {
    let all = Array(Word.allCases)
    return all[Int.random(in: all.indices, using: &g)]
  }

  private static func id<Subject>(_ g: inout Generator) -> ID<Subject> {
    ID(high: g.next(), low: g.next())
  }

  private static func instant(_ g: inout Generator) -> Instant {
    Instant(microseconds: Int64(truncatingIfNeeded: g.next()))
  }

  private static func identifier(_ g: inout Generator) -> Identifier {
    Identifier(system: text(&g), value: text(&g))
  }

  private static func random(_ g: inout Generator, _ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &g) }
  }

  private static func text(_ g: inout Generator) -> String {
    let letters = "abc XYZ 019 äöü 漢字 \u{1F469}\u{200D}\u{2695}"
    let count = [0, 1, 5, 40, 130, 300][Int.random(in: 0..<6, using: &g)]
    return String((0..<count).map { _ in letters.randomElement(using: &g) ?? "a" })
  }
}
