/// Something that can wait in a `DeadlineWheel`; the wheel keeps its place in it.
protocol WheelEntry: AnyObject {
  var wheelSlot: Int { get set }
  var wheelIndex: Int { get set }
  var deadline: UInt64 { get }
}

/// A hashed timer wheel: adding, removing and sweeping cost the same however many calls wait.
///
/// One timer per loop instead of one per call. Entries come out at most one tick late and never
/// early. Pure: the clock is an argument.
struct DeadlineWheel<Entry: WheelEntry> {
  static var tick: UInt64 { 5_000_000 }
  static var slots: Int { 1_024 }

  /// INVARIANT: `slots[e.wheelSlot][e.wheelIndex] === e` for each entry; -1 marks one outside.
  private var slots: [[Entry]] = Array(repeating: [], count: Self.slots)
  private var swept: UInt64
  private(set) var count = 0

  init(now: UInt64) { swept = now / Self.tick }

  mutating func add(_ entry: Entry) {
    guard entry.wheelSlot < 0 else { return }
    // Rounded up, so that a sweep of this slot finds it due; an overdue one waits for the next.
    let due = max(entry.deadline / Self.tick &+ 1, swept &+ 1)
    let slot = Int(due % UInt64(Self.slots))
    entry.wheelSlot = slot
    entry.wheelIndex = slots[slot].count
    slots[slot].append(entry)
    count += 1
  }

  mutating func remove(_ entry: Entry) {
    let slot = entry.wheelSlot
    guard slot >= 0 else { return }
    let last = slots[slot].removeLast()
    if last !== entry {
      slots[slot][entry.wheelIndex] = last
      last.wheelIndex = entry.wheelIndex
    }
    entry.wheelSlot = -1
    count -= 1
  }

  /// Takes out every entry whose deadline is at or before `now`.
  mutating func sweep(now: UInt64) -> [Entry] {
    let current = now / Self.tick
    guard current > swept else { return [] }
    var due: [Entry] = []
    let steps = min(current - swept, UInt64(Self.slots))
    for step in 0..<steps {
      let slot = Int((current - step) % UInt64(Self.slots))
      for entry in slots[slot] where entry.deadline <= now { due.append(entry) }
    }
    swept = current
    for entry in due { remove(entry) }
    return due
  }
}
