import Testing

@testable import RPCServer

@Suite struct DeadlineWheelTests {
  private final class Entry: WheelEntry {
    var wheelSlot = -1
    var wheelIndex = 0
    let deadline: UInt64
    init(_ deadline: UInt64) { self.deadline = deadline }
  }

  private let tick = DeadlineWheel<Entry>.tick

  @Test func entriesComeOutNeverEarlyAndAtMostOneTickLate() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = seed
    var wheel = DeadlineWheel<Entry>(now: 0)
    var waiting: [Entry] = []
    for _ in 0..<2_000 {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let entry = Entry((random >> 33) % (tick * 5_000))
      waiting.append(entry)
      wheel.add(entry)
    }
    var out = 0
    for step in 1...5_002 {
      let now = UInt64(step) * tick
      for entry in wheel.sweep(now: now) {
        #expect(entry.deadline <= now, "seed \(seed)")
        #expect(now - entry.deadline <= 2 * tick, "seed \(seed)")
        out += 1
      }
    }
    #expect(out == waiting.count && wheel.count == 0)
  }

  @Test func removedEntriesDoNotComeOut() {
    var wheel = DeadlineWheel<Entry>(now: 0)
    let entries = (0..<100).map { Entry(UInt64($0) * tick / 3) }
    for entry in entries { wheel.add(entry) }
    for (index, entry) in entries.enumerated() where index % 2 == 0 { wheel.remove(entry) }
    wheel.remove(entries[0])
    let out = wheel.sweep(now: 1_000 * tick)
    #expect(
      out.count == 50 && out.allSatisfy { entry in entries.firstIndex { $0 === entry }! % 2 == 1 })
  }

  @Test func aLongPauseMissesNothing() {
    var wheel = DeadlineWheel<Entry>(now: 0)
    for index in 0..<50 { wheel.add(Entry(UInt64(index) * 1_000 * tick)) }
    #expect(wheel.sweep(now: 1_000_000 * tick).count == 50)
  }
}
