internal import ConsentCore
internal import ConsentStore

/// What is applied to the index while the whole register is being read.
struct Loading: Sendable {
  /// The last rows, at consecutive positions; more than these are read from the database again.
  private(set) var rows: [FeedRow] = []
  private static let limit = 20_000

  mutating func append(_ row: FeedRow) {
    rows.append(row)
    if rows.count >= 2 * Self.limit { rows.removeFirst(Self.limit) }
  }
}

/// A register as one snapshot has it.
struct LoadedRegister: Sendable {
  var index: FactIndex
  /// From where the index stood when the reading began, up to the snapshot's head.
  var rows: [FeedRow]
  var isOfNewHistory: Bool
  /// It holds all images that there are.
  var isWhole: Bool

  /// - Parameters:
  ///   - empty: the index to fill.
  ///   - applied: where the index that is used meanwhile stands.
  init(into empty: FactIndex, after applied: FeedHead?, in reader: any FactReader) throws {
    (rows, isOfNewHistory) = try FactFill.follow(applied, in: reader)
    let intake = RegisterIntake(empty, at: reader.head, reader.organization)
    try reader.readRegister(into: intake)
    intake.seal()
    isWhole = intake.capacity > 0
    index = intake.index
  }
}

// Loading: the index is filled apart, while this one is used, and then takes its place.
extension FactIndex {
  enum LoadOutcome {
    case taken
    /// Rows after the loaded index's position are to be followed first.
    case behind
    /// It is of another history than what has been applied since, or what has been applied is.
    case refused
  }

  mutating func beginLoading() { loading = Loading() }

  mutating func abandonLoading() { loading = nil }

  /// Puts a loaded register in the place of this index, at the position that this one has reached.
  ///
  /// Rows up to the snapshot's head that have not been applied here are applied first; those that
  /// have been applied here above it are applied to the register.
  mutating func take(_ loaded: inout LoadedRegister) -> LoadOutcome {
    guard let loading, !loaded.isOfNewHistory, let head = loaded.index.applied else {
      return .refused
    }
    do {
      try follow(loaded.rows, to: head, holdsPart2: loaded.index.holdsPart2)
      guard let applied else { return .refused }
      // The rows that were followed just now are among them.
      let rows = self.loading?.rows ?? loading.rows
      let later = rows.drop { $0.position <= head.position }
      if deviation.isOn(.fillWithoutPosition) {
        loaded.index.applied = applied
      } else {
        if applied.position > head.position, later.first?.position != head.position + 1 {
          return .behind
        }
        try loaded.index.follow(Array(later), to: applied, holdsPart2: holdsPart2)
      }
    } catch {
      return .refused
    }
    guard loaded.index.applied == applied else { return .refused }
    loaded.index.inherit(from: self)
    // Not a copy: what is held twice would be copied by the next change.
    swap(&self, &loaded.index)
    return .taken
  }
}
