internal import ConsentCore
internal import ProofLog

/// The records of one batch in one array: as `DeltaForm`, or each with its length in front, 32 bits,
/// big-endian, as all were before and as some that have nothing in common still are.
struct PackedRecords: Sendable {
  /// In front of each record.
  static let lengthBytes = 4
  private(set) var bytes: [UInt8] = []
  private(set) var count = 0

  /// Encodes `items` as the next leaves of `state` and appends them to its tree.
  init<Item: LogItem>(
    _ items: [Item], onto state: inout LogState, organization: OrganizationID
  ) throws {
    var form = CanonicalBytes(reserving: items.count * 384)
    var records: [Range<Int>] = []
    records.reserveCapacity(items.count)
    for item in items {
      guard item.head.chain.count == 32 else {
        throw InvalidChange("the chain of a feed position is not a SHA-256")
      }
      let id = DecisionID(log: state.id, leaf: state.nextLeaf)
      let start = form.beginSized()
      item.append(to: &form, id: id, organization: organization)
      guard form.endSized(start), state.tree.append(.leaf(form.bytes[(start + 4)...])) else {
        throw InvalidChange("a record of a log or the log is too long to be stored")
      }
      records.append(start + Self.lengthBytes..<form.bytes.count)
    }
    bytes = DeltaEncoder.encode(form, records: records) ?? form.bytes
    count = items.count
  }

  /// Takes stored bytes apart.
  /// - Returns: `nil` unless they are exactly `count` records.
  static func split(_ bytes: [UInt8], count: Int) -> [ArraySlice<UInt8>]? {
    if DeltaForm.isForm(of: bytes) { return DeltaDecoder.decode(bytes, count: count) }
    var records: [ArraySlice<UInt8>] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let record = take(&rest) else { return nil }
      records.append(record)
    }
    return records.count == count ? records : nil
  }

  /// The first record of stored bytes; `nil` if it cannot be read. The others are not looked at.
  static func first(of bytes: [UInt8], count: Int) -> ArraySlice<UInt8>? {
    if DeltaForm.isForm(of: bytes) {
      return DeltaDecoder.decode(bytes, count: count, wanted: min(count, 1))?.first
    }
    var rest = bytes[...]
    return take(&rest)
  }

  private static func take(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard rest.count >= lengthBytes else { return nil }
    let length = rest.prefix(lengthBytes).reduce(0) { $0 << 8 | Int($1) }
    rest = rest.dropFirst(lengthBytes)
    guard rest.count >= length else { return nil }
    defer { rest = rest.dropFirst(length) }
    return rest.prefix(length)
  }
}

extension CanonicalBytes {
  /// Leaves room for the length of what follows.
  mutating func beginSized() -> Int {
    defer { append(UInt32(0)) }
    return bytes.count
  }

  /// - Returns: `false` if what followed is longer than 32 bits can tell.
  mutating func endSized(_ start: Int) -> Bool {
    guard let length = UInt32(exactly: bytes.count - start - 4) else { return false }
    overwrite(length, at: start)
    return true
  }
}
