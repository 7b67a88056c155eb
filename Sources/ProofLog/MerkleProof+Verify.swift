extension TreeHash {
  /// Verifies an audit path (RFC 9162 section 2.1.3.2).
  /// - Throws: `MerkleFault`.
  public static func verifyInclusion(
    of leafHash: TreeHash, leaf: UInt64, size: UInt64, path: [TreeHash], root: TreeHash
  ) throws(MerkleFault) {
    guard leaf < size else { throw .outsideTree }
    var (number, last) = (leaf, size - 1)
    var hash = leafHash
    for other in path {
      guard last > 0 else { throw .proofFails }
      if number & 1 == 1 || number == last {
        hash = .node(other, hash)
        while number & 1 == 0, number > 0 { (number, last) = (number >> 1, last >> 1) }
      } else {
        hash = .node(hash, other)
      }
      (number, last) = (number >> 1, last >> 1)
    }
    guard last == 0, hash == root else { throw .proofFails }
  }

  /// Verifies that the tree of `first` leaves is the beginning of that of `second` leaves (RFC 9162
  /// section 2.1.4.2). The empty tree is the beginning of every tree, with an empty proof.
  /// - Throws: `MerkleFault`.
  public static func verifyConsistency(
    first: UInt64, firstRoot: TreeHash, second: UInt64, secondRoot: TreeHash, proof: [TreeHash]
  ) throws(MerkleFault) {
    guard first <= second else { throw .outsideTree }
    if first == 0 || first == second {
      guard proof.isEmpty, first == second ? firstRoot == secondRoot : firstRoot == .empty,
        second > 0 || secondRoot == .empty
      else { throw .proofFails }
      return
    }
    var rest = proof[...]
    // A complete old tree is a node of the new one: its root is not repeated in the proof.
    guard let start = first.nonzeroBitCount == 1 ? firstRoot : rest.popFirst() else {
      throw .proofFails
    }
    var (number, last) = (first - 1, second - 1)
    while number & 1 == 1 { (number, last) = (number >> 1, last >> 1) }
    var (old, new) = (start, start)
    for other in rest {
      guard last > 0 else { throw .proofFails }
      if number & 1 == 1 || number == last {
        old = .node(other, old)
        new = .node(other, new)
        while number & 1 == 0, number > 0 { (number, last) = (number >> 1, last >> 1) }
      } else {
        new = .node(new, other)
      }
      (number, last) = (number >> 1, last >> 1)
    }
    guard last == 0, old == firstRoot, new == secondRoot else { throw .proofFails }
  }
}
