import ConsentCore
import ConsentStore
import ProofLog
import Testing

@testable import ConsentStore

/// The byte forms of what an activity log holds.
@Suite struct ActivityRecordTests {
  static let seed = UInt64.random(in: 0...UInt64.max)

  static func record(using g: inout SeededGenerator) -> ActivityRecord {
    func text(_ most: Int) -> String {
      (0..<Int.random(in: 0...most, using: &g)).map { _ in
        ["a", "é", "\u{1F4D6}", "\0"][Int.random(in: 0..<4, using: &g)]
      }.joined()
    }
    func bytes() -> [UInt8] { (0..<32).map { _ in UInt8.random(in: 0...255, using: &g) } }
    let activity: Activity =
      switch Int.random(in: 0..<3, using: &g) {
      case 0:
        .access(
          Access(
            caller: text(9), method: text(20),
            patients: (0..<Int.random(in: 0...5, using: &g)).map { _ in
              ID(high: g.next(), low: g.next())
            },
            subject: Bool.random(using: &g) ? text(200) : nil,
            at: Instant(microseconds: .random(in: Int64.min...Int64.max, using: &g))))
      case 1:
        .logs(
          (0..<Int.random(in: 0...5, using: &g)).map { _ in
            NamedLog(
              id: ID(high: g.next(), low: g.next()), kind: .random(in: 0...255, using: &g),
              size: g.next(), root: .leaf(bytes()))
          })
      default: .changes(FeedAnchor(from: g.next(), to: g.next(), chain: bytes()))
      }
    return ActivityRecord(
      organization: ID(high: g.next(), low: g.next()),
      id: DecisionID(log: ID(high: g.next(), low: g.next()), leaf: g.next()),
      head: FeedHead(
        position: g.next(), chain: bytes(), known: Instant(microseconds: 7), factPosition: g.next()),
      activity: activity)
  }

  @Test func randomRecordsComeBackAndHaveOneFormOnly() {
    var generator = SeededGenerator(seed: Self.seed)
    for _ in 0..<200 {
      let record = Self.record(using: &generator)
      let bytes = record.bytes
      #expect(ActivityRecord(bytes) == record, "seed \(Self.seed)")
      for count in bytes.indices { #expect(ActivityRecord(bytes[..<count]) == nil) }
      #expect(ActivityRecord(bytes + [0]) == nil)
      // A reader of decisions refuses it, and this one a decision.
      #expect(LogRecord(bytes) == nil)
      #expect(ActivityRecord(RandomRecord.record(using: &generator).bytes) == nil)
      for _ in 0..<20 {
        var changed = bytes
        changed[Int.random(in: bytes.indices, using: &generator)] ^= .random(
          in: 1...255, using: &generator)
        if let other = ActivityRecord(changed) { #expect(other.bytes == changed) }
      }
    }
  }
}
