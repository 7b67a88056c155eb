/// Writes `DeltaForm`.
struct DeltaEncoder {
  private let bytes: [UInt8]
  private var pieces = DeltaPieces()
  private var form: CanonicalBytes
  /// Of the record at hand: the bytes that each piece keeps in front and at its end.
  private var kept: [(front: Int, end: Int)] = []

  /// - Parameter records: where each is in `form`, in order.
  /// - Returns: `nil` where they cannot be stored so, or would not be smaller than with a length
  ///   each in front.
  static func encode(_ form: CanonicalBytes, records: [Range<Int>]) -> [UInt8]? {
    let total = records.reduce(0) { $0 + $1.count }
    guard let first = records.first, total <= DeltaForm.byteLimit else { return nil }
    guard records.allSatisfy({ $0.count >= DeltaForm.number.upperBound }) else { return nil }
    var encoder = DeltaEncoder(bytes: form.bytes, form: CanonicalBytes(reserving: total / 4 + 512))
    let number = encoder.number(first)
    encoder.form.append(byte: DeltaForm.mark)
    encoder.form.append(varint: UInt64(total))
    encoder.form.append(number)
    var marks = form.marks[...]
    for (offset, record) in records.enumerated() {
      guard encoder.number(record) == number &+ UInt64(offset) else { return nil }
      encoder.divide(record, &marks)
      encoder.encode()
    }
    let plain = total + records.count * PackedRecords.lengthBytes
    return encoder.form.bytes.count < plain ? encoder.form.bytes : nil
  }

  private init(bytes: [UInt8], form: CanonicalBytes) {
    self.bytes = bytes
    self.form = form
  }

  private func number(_ record: Range<Int>) -> UInt64 {
    UInt64(bigEndian: word(record.lowerBound + DeltaForm.number.lowerBound))
  }

  /// Takes the record's marks.
  private mutating func divide(_ record: Range<Int>, _ marks: inout ArraySlice<Int>) {
    pieces.begin(at: record.lowerBound)
    pieces.end(piece: record.lowerBound + DeltaForm.number.lowerBound)
    var start = record.lowerBound + DeltaForm.number.upperBound
    while let mark = marks.first, mark < record.upperBound {
      marks.removeFirst()
      guard mark > start, pieces.count < DeltaForm.pieceLimit - 1 else { continue }
      pieces.end(piece: mark)
      start = mark
    }
    pieces.end(piece: record.upperBound)
  }

  private mutating func encode() {
    let count = pieces.count
    let model = pieces.model(pieces: count)
    kept.removeAll(keepingCapacity: true)
    var isAsModel = model?.isAlike == true
    for index in 0..<count {
      let change = compare(pieces.piece(index), pieces.counterpart(of: index, in: model))
      pieces.set(change, of: index)
      if isAsModel, let model, pieces.change(index, in: model) != change { isAsModel = false }
    }
    form.append(varCount: count << 1 | (isAsModel ? 1 : 0))
    if !isAsModel { appendChanges(count) }
    for index in 0..<count { append(pieces.piece(index), pieces.change(index), kept[index]) }
    pieces.close()
  }

  private mutating func compare(_ piece: Range<Int>, _ other: Range<Int>) -> UInt8 {
    let limit = min(piece.count, other.count)
    let front = commonBytes(from: piece.lowerBound, other.lowerBound, atMost: limit)
    if front == piece.count, piece.count == other.count {
      kept.append((front, 0))
      return DeltaForm.same
    }
    let end = commonBytes(before: piece.upperBound, other.upperBound, atMost: limit - front)
    kept.append((front, end))
    if piece.count != other.count { return DeltaForm.resized }
    // Two counts would take as much as they save.
    return front + end > 2 ? DeltaForm.changed : DeltaForm.replaced
  }

  private mutating func appendChanges(_ count: Int) {
    for start in stride(from: 0, to: count, by: 4) {
      var byte: UInt8 = 0
      for index in start..<min(start + 4, count) {
        byte |= pieces.change(index) << UInt8(2 * (index - start))
      }
      form.append(byte: byte)
    }
  }

  private mutating func append(
    _ piece: Range<Int>, _ change: UInt8, _ kept: (front: Int, end: Int)
  ) {
    switch change {
    case DeltaForm.same: return
    case DeltaForm.replaced: form.append(raw: bytes[piece])
    default:
      form.append(varCount: kept.front)
      if change == DeltaForm.resized { form.append(varCount: kept.end) }
      let own = piece.lowerBound + kept.front..<piece.upperBound - kept.end
      form.append(varCount: own.count)
      form.append(raw: bytes[own])
    }
  }

  private func commonBytes(from start: Int, _ other: Int, atMost limit: Int) -> Int {
    var count = 0
    while count + 8 <= limit {
      let difference = word(start + count) ^ word(other + count)
      guard difference == 0 else {
        return count + UInt64(littleEndian: difference).trailingZeroBitCount / 8
      }
      count += 8
    }
    while count < limit, bytes[start + count] == bytes[other + count] { count += 1 }
    return count
  }

  private func commonBytes(before end: Int, _ other: Int, atMost limit: Int) -> Int {
    var count = 0
    while count + 8 <= limit {
      let difference = word(end - count - 8) ^ word(other - count - 8)
      guard difference == 0 else {
        return count + UInt64(littleEndian: difference).leadingZeroBitCount / 8
      }
      count += 8
    }
    while count < limit, bytes[end - count - 1] == bytes[other - count - 1] { count += 1 }
    return count
  }

  /// Eight bytes as they stand. Within `bytes`, or it traps: these are our own records.
  private func word(_ start: Int) -> UInt64 {
    unsafe bytes.span.bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt64.self)
  }
}
