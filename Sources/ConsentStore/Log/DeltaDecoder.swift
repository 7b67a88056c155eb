/// Reads `DeltaForm`. Never traps, and takes no more memory than `DeltaForm.byteLimit`, whatever
/// the bytes are: whether they are those that were logged only the hashes of the records tell.
struct DeltaDecoder {
  private struct Malformed: Error {}

  private let bytes: [UInt8]
  private var position = 1
  private var number: UInt64 = 0
  private var pieces = DeltaPieces()
  private var records: [UInt8] = []
  /// As far as `records` are written.
  private var end = 0

  /// - Parameters:
  ///   - count: of all records of the batch.
  ///   - wanted: how many of them, from the first on; by default all.
  /// - Returns: `nil` unless the bytes are the form of exactly so many records, or of `wanted` ones
  ///   and others.
  static func decode(
    _ bytes: [UInt8], count: Int, wanted: Int? = nil
  ) -> [ArraySlice<UInt8>]? {
    var decoder = DeltaDecoder(bytes: bytes)
    return try? decoder.decode(count: count, wanted: wanted ?? count)
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private mutating func decode(
    count: Int, wanted: Int
  ) throws(Malformed) -> [ArraySlice<UInt8>] {
    guard DeltaForm.isForm(of: bytes) else { throw Malformed() }
    let total = try varint()
    guard total <= DeltaForm.byteLimit, wanted <= count else { throw Malformed() }
    records = [UInt8](repeating: 0, count: total)
    for byte in bytes[try own(8)] { number = number << 8 | UInt64(byte) }
    var ends: [Int] = []
    // Each takes a byte at least.
    while ends.count < wanted {
      try record()
      ends.append(end)
    }
    if wanted == count {
      guard position == bytes.count, end == total else { throw Malformed() }
    }
    var start = 0
    return ends.map { end in
      defer { start = end }
      return records[start..<end]
    }
  }

  private mutating func record() throws(Malformed) {
    let head = try varint()
    let count = head >> 1
    // A number has a piece before and one after it.
    guard count >= 2, count <= DeltaForm.pieceLimit else { throw Malformed() }
    let model = pieces.model(pieces: count)
    var changes = ArraySlice<UInt8>()
    if head & 1 == 1 {
      guard model?.isAlike == true else { throw Malformed() }
    } else {
      changes = bytes[try own((count + 3) / 4)]
    }
    pieces.begin(at: end)
    for index in 0..<count {
      let change =
        if head & 1 == 1, let model {
          pieces.change(index, in: model)
        } else {
          changes[changes.startIndex + index / 4] >> UInt8(2 * (index % 4)) & 3
        }
      if index == 1 { try putNumber() }
      try piece(change, pieces.counterpart(of: index, in: model))
      pieces.end(piece: end, change)
      // So that there are no more pieces than bytes.
      guard index == 1 || !pieces.piece(index).isEmpty else { throw Malformed() }
    }
    pieces.close()
    number &+= 1
  }

  /// - Throws: also where the first piece does not end where the number is to be.
  private mutating func putNumber() throws(Malformed) {
    guard pieces.piece(0).count == DeltaForm.number.lowerBound,
      records.count - end >= DeltaForm.number.count
    else { throw Malformed() }
    for shift in stride(from: UInt64(56), through: 0, by: -8) {
      records[end] = UInt8(truncatingIfNeeded: number >> shift)
      end += 1
    }
  }

  private mutating func piece(_ change: UInt8, _ other: Range<Int>) throws(Malformed) {
    switch change {
    case DeltaForm.same: try put(kept: other)
    case DeltaForm.replaced: try put(own: own(other.count))
    default:
      let front = try varint()
      let isResized = change == DeltaForm.resized
      let left = isResized ? try varint() : 0
      let count = try varint()
      guard front <= other.count else { throw Malformed() }
      let rest = other.count - front
      let back = isResized ? left : rest - count
      guard back >= 0, back <= rest else { throw Malformed() }
      try put(kept: other.prefix(front))
      try put(own: own(count))
      try put(kept: other.suffix(back))
    }
  }

  /// Bytes of an earlier piece.
  private mutating func put(kept range: Range<Int>) throws(Malformed) {
    let end = end
    guard range.count <= records.count - end, range.upperBound <= end else { throw Malformed() }
    unsafe records.withUnsafeMutableBytes { records in
      let kept = unsafe UnsafeRawBufferPointer(rebasing: records[range])
      unsafe UnsafeMutableRawBufferPointer(rebasing: records[end..<end + range.count])
        .copyMemory(from: kept)
    }
    self.end += range.count
  }

  private mutating func put(own range: Range<Int>) throws(Malformed) {
    let (end, bytes) = (end, bytes)
    guard range.count <= records.count - end else { throw Malformed() }
    unsafe records.withUnsafeMutableBytes { records in
      unsafe bytes.withUnsafeBytes { bytes in
        let own = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
        unsafe UnsafeMutableRawBufferPointer(rebasing: records[end..<end + range.count])
          .copyMemory(from: own)
      }
    }
    self.end += range.count
  }

  /// The next bytes of the form.
  private mutating func own(_ count: Int) throws(Malformed) -> Range<Int> {
    guard count >= 0, count <= bytes.count - position else { throw Malformed() }
    defer { position += count }
    return position..<position + count
  }

  /// Of five bytes at most: nothing in the form is longer than 32 bits.
  private mutating func varint() throws(Malformed) -> Int {
    var value = 0
    for shift in stride(from: 0, through: 28, by: 7) {
      guard position < bytes.count else { throw Malformed() }
      let byte = bytes[position]
      position += 1
      value |= Int(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    throw Malformed()
  }
}
