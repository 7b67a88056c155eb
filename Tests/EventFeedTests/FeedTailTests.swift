import ConsentCore
import ConsentStore
import Testing

@testable import EventFeed

@Suite struct FeedTailTests {
  private func row(_ position: UInt64) -> FeedRow {
    FeedRow(
      position: position, chain: [UInt8(truncatingIfNeeded: position)],
      known: Instant(microseconds: 0), eventID: ID(high: 0, low: position),
      event: FeedEvent(
        kind: .documentStored, subject: String(position), patient: nil,
        occurred: Instant(microseconds: 0)),
      by: "test")
  }

  private func makeTail(from: UInt64 = 10, rows: UInt64, capacity: Int = 4) -> FeedTail {
    var tail = FeedTail(
      at: FeedHead(
        position: from, chain: [UInt8(truncatingIfNeeded: from)], known: .distantPast,
        factPosition: 0),
      capacity: capacity)
    for position in from + 1..<from + 1 + rows { _ = tail.append([row(position)]) }
    return tail
  }

  private func cursor(_ position: UInt64) -> WatchCursor {
    WatchCursor(position: position, chain: [UInt8(truncatingIfNeeded: position)])
  }

  @Test func rowsFollowTheCursorUpToTheLimit() {
    let tail = makeTail(rows: 3)
    guard case .rows(let rows) = tail.slice(after: cursor(10), limit: 2) else {
      Issue.record("rows are held")
      return
    }
    #expect(rows.map(\.position) == [11, 12])
  }

  @Test func theEndsOfTheTailAreToldApart() {
    let tail = makeTail(rows: 3)
    guard case .atEnd = tail.slice(after: cursor(13), limit: 1),
      case .ahead = tail.slice(after: cursor(14), limit: 1),
      case .behind = tail.slice(after: cursor(9), limit: 1)
    else {
      Issue.record("each has its case")
      return
    }
  }

  @Test(arguments: [10, 12, 13] as [UInt64])
  func anotherChainAtAHeldPositionDiverges(position: UInt64) {
    let tail = makeTail(rows: 3)
    let other = WatchCursor(position: position, chain: [99])
    guard case .diverged = tail.slice(after: other, limit: 1) else {
      Issue.record("another history")
      return
    }
  }

  @Test func rowsLeaveFromTheFrontAndTheRestStaysDense() {
    for count in 1...40 as ClosedRange<UInt64> {
      let tail = makeTail(rows: count)
      #expect(tail.rows.count < 8)
      #expect(tail.rows.count >= min(4, Int(count)))
      #expect(tail.end == cursor(10 + count))
      #expect(tail.base.position + UInt64(tail.rows.count) == tail.end.position)
      #expect(tail.rows.follow(tail.base.position))
      #expect(tail.base == cursor(tail.base.position))
    }
  }

  @Test func aGapIsRefusedAndChangesNothing() {
    var tail = makeTail(rows: 2)
    for rows in [[row(13), row(15)], [row(12)]] {
      let isAppended = tail.append(rows)
      #expect(!isAppended)
    }
    #expect(tail.end == cursor(12))
    #expect(tail.rows.count == 2)
  }
}
