internal import ConsentCore

/// The cases of images that were asked about lately, ready to be decided on. What is asked again
/// costs nothing; what has gone is made anew from the index in some microseconds.
struct PreparedCases {
  private var held: ContiguousArray<(image: ImageCase, row: UInt32)> = []
  /// Whose turn it is to go, when all places are taken.
  private var hand = 0
  private let limit: Int

  /// - Parameter limit: at most 65,535, because a row has two bytes for its place.
  init(limit: Int) { self.limit = max(1, min(limit, Int(UInt16.max))) }

  subscript(_ place: UInt32) -> ImageCase { held[Int(place)].image }

  var rows: some Sequence<UInt32> { held.lazy.map(\.row) }

  /// - Returns: where it is now, and the row whose case had to go for it.
  mutating func insert(_ image: ImageCase, of row: UInt32) -> (place: UInt32, gone: UInt32?) {
    guard held.count >= limit else {
      held.append((image, row))
      return (UInt32(held.count - 1), nil)
    }
    let place = hand
    hand = (hand + 1) % limit
    let gone = held[place].row
    held[place] = (image, row)
    return (UInt32(place), gone)
  }

  /// - Returns: the row whose case is now at `place`.
  mutating func remove(_ place: UInt32) -> UInt32? {
    let last = held.removeLast()
    guard Int(place) < held.count else { return nil }
    held[Int(place)] = last
    return last.row
  }
}
