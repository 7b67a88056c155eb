/// An RFC 6962 tree that is only appended to, kept as its compact range: the roots of the complete
/// subtrees that the size's binary digits stand for, the largest first. At most 64 hashes.
///
/// A value: what a copy held before an append it holds after it, which is how a tree in memory is
/// moved only once its leaves are committed.
public struct MerkleTree: Hashable, Sendable {
  public private(set) var size: UInt64 = 0
  public private(set) var frontier: [TreeHash] = []

  public init() {}

  /// Restores a tree; `nil` unless `frontier` has one hash for each binary digit 1 of `size`.
  public init?(size: UInt64, frontier: [TreeHash]) {
    guard frontier.count == size.nonzeroBitCount else { return nil }
    self.size = size
    self.frontier = frontier
  }

  /// - Returns: `false`, with nothing changed, if the tree can hold no more leaves.
  @discardableResult
  public mutating func append(_ leaf: TreeHash) -> Bool { append(leaf) { _, _, _ in } }

  /// - Parameter completed: told of each subtree of two and more leaves that the leaf completes: of
  ///   2^level leaves, the first of which is number * 2^level.
  /// - Returns: `false`, with nothing changed, if the tree can hold no more leaves.
  @discardableResult
  public mutating func append(
    _ leaf: TreeHash, completed: (_ level: Int, _ number: UInt64, _ root: TreeHash) -> Void
  ) -> Bool {
    guard size < UInt64.max else { return false }
    var hash = leaf
    // Each trailing digit 1 of the size is a complete subtree as large as the one just completed.
    for level in 0..<(~size).trailingZeroBitCount {
      guard let left = frontier.popLast() else { return false }
      hash = .node(left, hash)
      completed(level + 1, size >> UInt64(level + 1), hash)
    }
    frontier.append(hash)
    size += 1
    return true
  }

  /// MTH of all leaves (RFC 6962 section 2.1).
  public var root: TreeHash {
    guard var root = frontier.last else { return .empty }
    for left in frontier.dropLast().reversed() { root = .node(left, root) }
    return root
  }
}
