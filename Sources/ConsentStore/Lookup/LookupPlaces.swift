internal import ConsentCore

/// Where a record is: in which batch, and where in its packed records, in bytes.
struct LookupPlace: Hashable {
  /// The batch's first leaf.
  var batch: UInt64
  var offset: Int
  var length: Int
}

/// One row of `decision_place`: the places of a stretch of one log, of whole batches. The lengths of
/// the records of each, with their count in front: 2 bytes a decision.
struct LookupPlaces {
  var log: ID<DecisionLog>
  var firstLeaf: UInt64
  private(set) var bytes: [UInt8] = []

  init(log: ID<DecisionLog>, firstLeaf: UInt64, bytes: [UInt8] = []) {
    self.log = log
    self.firstLeaf = firstLeaf
    self.bytes = bytes
  }

  /// Longer rows would not be kept in the table itself.
  var isFull: Bool { bytes.count >= 1_024 }

  /// Adds the next batch.
  mutating func add(_ lengths: some Collection<Int>) {
    var form = CanonicalBytes(reserving: 2 * lengths.count + 2)
    form.append(varCount: lengths.count)
    for length in lengths { form.append(varCount: length) }
    bytes += form.bytes
  }

  /// In the order of the leaves. Never traps.
  /// - Returns: `nil` unless the bytes are what a row holds.
  func places() -> [LookupPlace]? {
    var reader = CanonicalReader(bytes[...])
    var places: [LookupPlace] = []
    do throws(CanonicalReader.Malformed) {
      while !reader.isAtEnd {
        var place = LookupPlace(
          batch: firstLeaf &+ UInt64(places.count), offset: 0, length: 0)
        for _ in 0..<(try reader.count()) {
          guard let length = Int32(exactly: try reader.varint()) else { return nil }
          place.offset += place.length + PackedRecords.lengthBytes
          place.length = Int(length)
          guard place.offset <= Int32.max else { return nil }
          places.append(place)
        }
      }
    } catch {
      return nil
    }
    return places
  }
}
