/// Builds the proofs of RFC 6962 sections 2.1.1 and 2.1.2 from the hashes of complete subtrees.
///
/// `subtree(level, index)` is the root of the 2^level leaves from index * 2^level on. It is asked
/// for at most about 2 log2(size) of them, all complete below the size.
public struct MerkleProver {
  public typealias Subtree = (_ level: Int, _ index: UInt64) throws -> TreeHash

  private let subtree: Subtree

  public init(subtree: @escaping Subtree) { self.subtree = subtree }

  /// From the leaf hashes themselves.
  public init(leaves: [TreeHash]) {
    self.init { level, index in
      guard level < 63, let width = Int(exactly: UInt64(1) << UInt64(level)),
        let number = Int(exactly: index)
      else { throw MerkleFault.outsideTree }
      let (first, overflow) = number.multipliedReportingOverflow(by: width)
      guard !overflow, first <= leaves.count, leaves.count - first >= width else {
        throw MerkleFault.outsideTree
      }
      var tree = MerkleTree()
      for leaf in leaves[first..<first + width] { tree.append(leaf) }
      return tree.root
    }
  }

  public func root(size: UInt64) throws -> TreeHash {
    size == 0 ? .empty : try root(of: 0..<size)
  }

  /// PATH(leaf, D[size]): the hashes from the leaf up.
  public func inclusion(leaf: UInt64, size: UInt64) throws -> [TreeHash] {
    guard leaf < size else { throw MerkleFault.outsideTree }
    var range = 0..<size
    var path: [TreeHash] = []
    while let middle = Self.split(range) {
      if leaf < middle {
        path.append(try root(of: middle..<range.upperBound))
        range = range.lowerBound..<middle
      } else {
        path.append(try root(of: range.lowerBound..<middle))
        range = middle..<range.upperBound
      }
    }
    return path.reversed()
  }

  /// PROOF(first, D[second]); empty if the sizes are equal or `first` is 0.
  public func consistency(first: UInt64, second: UInt64) throws -> [TreeHash] {
    guard first <= second else { throw MerkleFault.outsideTree }
    guard first > 0, first < second else { return [] }
    var range = 0..<second
    var proof: [TreeHash] = []
    // Whether the old tree's root, which the verifier has, is the root of what is left of `range`.
    var isOldRoot = true
    while range.upperBound != first, let middle = Self.split(range) {
      if first <= middle {
        proof.append(try root(of: middle..<range.upperBound))
        range = range.lowerBound..<middle
      } else {
        proof.append(try root(of: range.lowerBound..<middle))
        range = middle..<range.upperBound
        isOldRoot = false
      }
    }
    if !isOldRoot { proof.append(try root(of: range)) }
    return proof.reversed()
  }

  /// Where RFC 6962 splits: the largest power of two smaller than the count.
  private static func split(_ range: Range<UInt64>) -> UInt64? {
    let count = range.upperBound - range.lowerBound
    guard count > 1 else { return nil }
    return range.lowerBound + (UInt64(1) << UInt64(63 - (count - 1).leadingZeroBitCount))
  }

  /// The ranges that proofs ask for begin at a multiple of their largest complete subtree.
  private func root(of range: Range<UInt64>) throws -> TreeHash {
    var range = range
    var lefts: [TreeHash] = []
    while true {
      let count = range.upperBound - range.lowerBound
      if count.nonzeroBitCount == 1 {
        let level = count.trailingZeroBitCount
        var root = try subtree(level, range.lowerBound >> UInt64(level))
        for left in lefts.reversed() { root = .node(left, root) }
        return root
      }
      guard let middle = Self.split(range) else { throw MerkleFault.outsideTree }
      let level = (middle - range.lowerBound).trailingZeroBitCount
      lefts.append(try subtree(level, range.lowerBound >> UInt64(level)))
      range = middle..<range.upperBound
    }
  }
}

public enum MerkleFault: Error, Hashable, Sendable {
  /// A leaf or size that the tree does not have.
  case outsideTree
  /// A proof of the wrong length, or whose root is another.
  case proofFails
}
