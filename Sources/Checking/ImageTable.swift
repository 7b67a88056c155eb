internal import ConsentCore

/// Where the facts of each image are: a row of fixed size for each, without a reference in it, and
/// a hash table of row numbers. A look-up allocates nothing and counts no reference.
struct ImageTable {
  /// 40 bytes.
  struct Row {
    var digest: ImageDigest
    /// When its first version was recorded.
    var firstRecorded = Instant.distantPast
    var circle: CircleID
    /// The next row of the same circle.
    var next = none
    private var day = Int32.min
    private var place = UInt16.max
    /// Of its circle's forms; `whole`: all that was read is kept as it is.
    var form = whole

    init(digest: ImageDigest, circle: CircleID) {
      self.digest = digest
      self.circle = circle
    }

    /// In `PreparedCases`.
    var prepared: UInt32 {
      get { place == .max ? none : UInt32(place) }
      set { place = UInt16(exactly: newValue) ?? .max }
    }

    var acquiredDay: LocalDay? {
      get { day == .min ? nil : LocalDay(daysSince1970: day) }
      set { day = newValue?.daysSince1970 ?? .min }
    }

    /// The one day that a row cannot tell from none.
    static let noDay = LocalDay(daysSince1970: .min)
  }

  /// No row, or nothing prepared.
  static let none = UInt32.max
  static let whole = UInt16.max

  private var rows: ContiguousArray<Row> = []
  /// The first of the rows that can be used again, by `next`.
  private var free = none
  /// Row numbers by digest, with `none` in between; its count is a power of two.
  private var slots: ContiguousArray<UInt32> = []
  private(set) var count = 0

  subscript(_ number: UInt32) -> Row {
    _read { yield rows[Int(number)] }
    _modify { yield &rows[Int(number)] }
  }

  func find(_ digest: ImageDigest) -> UInt32? {
    guard !slots.isEmpty else { return nil }
    let mask = slots.count - 1
    var slot = digest.place(mask)
    while true {
      let number = slots[slot]
      if number == Self.none { return nil }
      if rows[Int(number)].digest == digest { return number }
      slot = (slot + 1) & mask
    }
  }

  /// - Parameter row: of a digest that has none.
  mutating func insert(_ row: Row) -> UInt32 { insert(row, at: slot(for: row.digest)) }

  /// - Returns: `nil` if the digest has a row already.
  mutating func insert(new row: Row) -> UInt32? {
    let slot = slot(for: row.digest)
    return slots[slot] == Self.none ? insert(row, at: slot) : nil
  }

  /// Where the digest is, or would be put.
  private mutating func slot(for digest: ImageDigest) -> Int {
    if (count + 1) * 4 > slots.count * 3 { grow() }
    let mask = slots.count - 1
    var slot = digest.place(mask)
    while slots[slot] != Self.none, rows[Int(slots[slot])].digest != digest {
      slot = (slot + 1) & mask
    }
    return slot
  }

  private mutating func insert(_ row: Row, at slot: Int) -> UInt32 {
    let number: UInt32
    if free == Self.none {
      number = UInt32(rows.count)
      rows.append(row)
    } else {
      number = free
      free = rows[Int(number)].next
      rows[Int(number)] = row
    }
    slots[slot] = number
    count += 1
    return number
  }

  mutating func remove(_ number: UInt32) {
    let mask = slots.count - 1
    var hole = rows[Int(number)].digest.place(mask)
    while slots[hole] != number { hole = (hole + 1) & mask }
    // What stands behind the hole moves into it unless it would then be before its own place.
    var slot = hole
    while true {
      slot = (slot + 1) & mask
      let other = slots[slot]
      if other == Self.none { break }
      let own = rows[Int(other)].digest.place(mask)
      if (slot - own) & mask >= (slot - hole) & mask {
        slots[hole] = other
        hole = slot
      }
    }
    slots[hole] = Self.none
    rows[Int(number)].next = free
    free = number
    count -= 1
  }

  private mutating func put(_ number: UInt32) {
    let mask = slots.count - 1
    var slot = rows[Int(number)].digest.place(mask)
    while slots[slot] != Self.none { slot = (slot + 1) & mask }
    slots[slot] = number
  }

  private mutating func grow() {
    let old = slots
    slots = ContiguousArray(repeating: Self.none, count: max(16, old.count * 2))
    for number in old where number != Self.none { put(number) }
  }
}

/// Names the patients whose papers some images share, while they are in the index.
struct CircleID: Hashable, Sendable {
  var number: UInt32
}
