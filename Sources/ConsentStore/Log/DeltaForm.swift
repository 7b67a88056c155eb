/// The records of a batch in few bytes: each tells only what it has other than one before it.
///
/// Why not leave it to the database's compression: it would find the same repetitions anew in every
/// batch and in every look at one, and all the bytes would go through the connection. The encoder of
/// a record marks where its pieces begin (`CanonicalBytes.mark`), so that a text of another length
/// puts nothing else out of step. What a piece means is not known here: any records that are
/// numbered one after the other can be stored so, and come back bit by bit.
///
/// The form, integers as in `CanonicalBytes`:
///
///     0x81, varint: the bytes of all records, 8 bytes: the number of the first
///     for each record
///       varint: twice its pieces, and one more if it has the changes of its model
///       else two bits a piece, its change, the lowest first
///       for each piece, by its change
///         0  as in the model
///         1  as long as in the model, all its bytes
///         2  as long as in the model, varint: bytes kept in front, varint: bytes that follow here,
///            these bytes; and the end kept
///         3  varint: bytes kept in front, varint: kept at the end, varint: that follow here, these
///
/// A record's model is the last before it with as many pieces; where there is none, the record
/// before it. A piece that the model has not is compared with the piece before it. The number (of
/// `LogRecord` its leaf) is left out: each is one more than that of the record before.
enum DeltaForm {
  /// In front of all. Records stored one after the other begin with a length below 2^31.
  static let mark: UInt8 = 0x81
  /// Where a record has its number. The first piece ends before it, the second begins after it.
  static let number = 34..<42
  /// What follows belongs to the last piece.
  static let pieceLimit = 255
  /// Larger batches are stored plainly, so that no stored bytes ask for more memory.
  static let byteLimit = 1 << 26

  static let same: UInt8 = 0
  static let replaced: UInt8 = 1
  static let changed: UInt8 = 2
  static let resized: UInt8 = 3

  static func isForm(of bytes: [UInt8]) -> Bool { bytes.first == mark }
}

/// Where the pieces of the records are, the same for both directions.
struct DeltaPieces {
  /// For each record: where it begins, where its number does, and where each further piece ends.
  private var bounds: [Int] = []
  /// Beside each piece's beginning: how it was told.
  private var changes: [UInt8] = []
  /// By the number of pieces: the last such record.
  private var models = [Int](repeating: -1, count: DeltaForm.pieceLimit + 1)
  private var last: (first: Int, count: Int)?
  private var first = 0

  /// Begins a record with the pieces that `end` is called for.
  mutating func begin(at start: Int) {
    first = bounds.count
    bounds.append(start)
  }

  mutating func end(piece end: Int, _ change: UInt8 = DeltaForm.same) {
    bounds.append(end)
    changes.append(change)
  }

  /// How many pieces the record has by now.
  var count: Int { bounds.count - first - 1 }

  /// The record is complete.
  mutating func close() {
    models[count] = first
    last = (first, count)
    changes.append(DeltaForm.same)
  }

  func piece(_ index: Int) -> Range<Int> { piece(index, of: first) }

  mutating func set(_ change: UInt8, of index: Int) { changes[first + index] = change }

  func change(_ index: Int) -> UInt8 { changes[first + index] }

  private func piece(_ index: Int, of record: Int) -> Range<Int> {
    let start = bounds[record + index]
    return (index == 1 ? start + DeltaForm.number.count : start)..<bounds[record + index + 1]
  }

  /// What a record of so many pieces is compared with.
  struct Model {
    fileprivate var first: Int
    fileprivate var count: Int
    /// Whether it has as many pieces, so that its changes may be meant.
    var isAlike: Bool
  }

  func model(pieces count: Int) -> Model? {
    let alike = models[count]
    if alike >= 0 { return Model(first: alike, count: count, isAlike: true) }
    return last.map { Model(first: $0.first, count: $0.count, isAlike: false) }
  }

  /// Empty where there is nothing to compare with.
  func counterpart(of index: Int, in model: Model?) -> Range<Int> {
    if let model, index < model.count { return piece(index, of: model.first) }
    return index > 0 ? piece(index - 1) : 0..<0
  }

  func change(_ index: Int, in model: Model) -> UInt8 { changes[model.first + index] }
}
