/// Bytes that arrive a few at a time and are wanted as a whole: kept in blocks, so that what is there
/// is not copied whenever more comes, and megabytes that never become whole cost no more than their
/// arrival.
struct Pieces: Sendable {
  private static let blockSize = 65_536

  private var blocks: [[UInt8]] = []
  private(set) var count = 0

  mutating func append(_ bytes: ArraySlice<UInt8>) {
    count += bytes.count
    var rest = bytes
    while !rest.isEmpty {
      let space = Self.blockSize - (blocks.last?.count ?? Self.blockSize)
      if space == 0 {
        blocks.append(Array(rest.prefix(Self.blockSize)))
        rest = rest.dropFirst(Self.blockSize)
      } else {
        blocks[blocks.count - 1].append(contentsOf: rest.prefix(space))
        rest = rest.dropFirst(space)
      }
    }
  }

  /// All of it, which is kept no longer.
  mutating func take() -> [UInt8] {
    defer { self = Pieces() }
    guard blocks.count != 1 else { return blocks[0] }
    var whole: [UInt8] = []
    whole.reserveCapacity(count)
    for block in blocks { whole.append(contentsOf: block) }
    return whole
  }
}
