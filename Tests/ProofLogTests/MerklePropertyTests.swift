import Crypto
import ProofLog
import Testing

/// RFC 6962 section 2.1 as it is written, on whole arrays and with hashing of its own.
enum Reference {
  static func leaf(_ record: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: [0] + record)) }

  static func root(_ records: ArraySlice<[UInt8]>) -> [UInt8] {
    guard records.count > 1 else {
      return records.first.map(leaf) ?? Array(SHA256.hash(data: [UInt8]()))
    }
    let k = split(records.count)
    return Array(
      SHA256.hash(data: [1] + root(records.prefix(k)) + root(records.dropFirst(k))))
  }

  static func path(_ m: Int, _ records: ArraySlice<[UInt8]>) -> [[UInt8]] {
    guard records.count > 1 else { return [] }
    let k = split(records.count)
    return m < k
      ? path(m, records.prefix(k)) + [root(records.dropFirst(k))]
      : path(m - k, records.dropFirst(k)) + [root(records.prefix(k))]
  }

  static func proof(_ m: Int, _ records: ArraySlice<[UInt8]>, _ isWhole: Bool = true) -> [[UInt8]] {
    if m == records.count { return isWhole ? [] : [root(records)] }
    let k = split(records.count)
    return m <= k
      ? proof(m, records.prefix(k), isWhole) + [root(records.dropFirst(k))]
      : proof(m - k, records.dropFirst(k), false) + [root(records.prefix(k))]
  }

  private static func split(_ count: Int) -> Int {
    var k = 1
    while k * 2 < count { k *= 2 }
    return k
  }
}

@Suite struct MerklePropertyTests {
  static let seed = UInt64.random(in: 0...UInt64.max)

  struct Forest {
    var records: [[UInt8]]
    var leaves: [TreeHash]
    var roots: [TreeHash]
    var prover: MerkleProver { MerkleProver(leaves: leaves) }

    init(size: Int, using generator: inout SeededGenerator) {
      records = (0..<size).map { _ in
        (0..<Int.random(in: 0...40, using: &generator)).map { _ in
          UInt8.random(in: 0...255, using: &generator)
        }
      }
      leaves = records.map { TreeHash.leaf($0) }
      var tree = MerkleTree()
      roots = [tree.root]
      for leaf in leaves {
        tree.append(leaf)
        roots.append(tree.root)
      }
    }
  }

  @Test func rootsAndProofsAreTheReferences() throws {
    var generator = SeededGenerator(seed: Self.seed)
    for _ in 0..<12 {
      let size = Int.random(in: 1...90, using: &generator)
      let forest = Forest(size: size, using: &generator)
      for part in 0...size {
        #expect(
          forest.roots[part].bytes == Reference.root(forest.records.prefix(part)),
          "seed \(Self.seed)")
      }
      for _ in 0..<10 {
        let first = Int.random(in: 1...size, using: &generator)
        let leaf = Int.random(in: 0..<first, using: &generator)
        let path = try forest.prover.inclusion(leaf: UInt64(leaf), size: UInt64(first))
        #expect(
          path.map(\.bytes) == Reference.path(leaf, forest.records.prefix(first)),
          "seed \(Self.seed)")
        let proof = try forest.prover.consistency(first: UInt64(first), second: UInt64(size))
        #expect(
          proof.map(\.bytes) == Reference.proof(first, forest.records[...]), "seed \(Self.seed)")
      }
    }
  }

  @Test func aTreeIsRestoredFromItsFrontier() {
    var generator = SeededGenerator(seed: Self.seed)
    let forest = Forest(size: 67, using: &generator)
    var tree = MerkleTree()
    for (number, leaf) in forest.leaves.enumerated() {
      guard var restored = MerkleTree(size: tree.size, frontier: tree.frontier) else {
        Issue.record("a frontier of its own size was refused")
        return
      }
      restored.append(leaf)
      tree.append(leaf)
      #expect(restored == tree && tree.root == forest.roots[number + 1])
    }
    #expect(MerkleTree(size: 3, frontier: tree.frontier) == nil)
    #expect(MerkleTree(size: 1, frontier: []) == nil)
  }

  @Test func everyInclusionProofIsAcceptedAndNoBrokenOne() throws {
    var generator = SeededGenerator(seed: Self.seed)
    let forest = Forest(size: 37, using: &generator)
    for size in 1...37 {
      for leaf in 0..<size {
        let path = try forest.prover.inclusion(leaf: UInt64(leaf), size: UInt64(size))
        func isAccepted(
          _ hash: TreeHash? = nil, leaf: Int = leaf, size: Int = size, path: [TreeHash] = path,
          root: TreeHash? = nil
        ) -> Bool {
          do {
            try TreeHash.verifyInclusion(
              of: hash ?? forest.leaves[leaf], leaf: UInt64(leaf), size: UInt64(size), path: path,
              root: root ?? forest.roots[size])
            return true
          } catch {
            return false
          }
        }
        #expect(isAccepted(), "seed \(Self.seed)")
        #expect(!isAccepted(.leaf([1, 2, 3])), "another record")
        #expect(!isAccepted(root: forest.roots[size - 1]), "an older root")
        #expect(!isAccepted(path: path + [.empty]), "too long")
        #expect(!isAccepted(leaf: size, path: path), "outside")
        if size > 1 {
          #expect(!isAccepted(forest.leaves[leaf], leaf: (leaf + 1) % size), "another place")
        }
        for index in path.indices {
          #expect(!isAccepted(path: Self.flipped(path, index)), "flipped")
          #expect(!isAccepted(path: Array(path.prefix(index))), "truncated")
          if index > 0 {
            var swapped = path
            swapped.swapAt(index, index - 1)
            #expect(!isAccepted(path: swapped), "swapped")
          }
        }
      }
    }
  }

  @Test func everyConsistencyProofIsAcceptedAndNoBrokenOne() throws {
    var generator = SeededGenerator(seed: Self.seed)
    let forest = Forest(size: 33, using: &generator)
    for second in 0...33 {
      for first in 0...second {
        let proof = try forest.prover.consistency(first: UInt64(first), second: UInt64(second))
        func isAccepted(
          first: Int = first, firstRoot: TreeHash? = nil, secondRoot: TreeHash? = nil,
          proof: [TreeHash] = proof
        ) -> Bool {
          do {
            try TreeHash.verifyConsistency(
              first: UInt64(first), firstRoot: firstRoot ?? forest.roots[first],
              second: UInt64(second), secondRoot: secondRoot ?? forest.roots[second], proof: proof)
            return true
          } catch {
            return false
          }
        }
        #expect(isAccepted(), "seed \(Self.seed)")
        #expect(!isAccepted(firstRoot: .leaf([9])), "another history")
        #expect(first == 0 && second > 0 || !isAccepted(secondRoot: .leaf([9])), "a fork")
        #expect(!isAccepted(proof: proof + [.empty]), "too long")
        #expect(!isAccepted(first: second + 1, firstRoot: forest.roots[second]), "shrunk")
        for index in proof.indices {
          #expect(!isAccepted(proof: Self.flipped(proof, index)), "flipped")
          #expect(!isAccepted(proof: Array(proof.prefix(index))), "truncated")
          if index > 0 {
            var swapped = proof
            swapped.swapAt(index, index - 1)
            #expect(!isAccepted(proof: swapped), "swapped")
          }
        }
      }
    }
  }

  @Test func whatTheTreeDoesNotHaveIsRefused() {
    let prover = MerkleProver(leaves: MerkleVectorTests.leaves)
    #expect(throws: MerkleFault.outsideTree) { try prover.inclusion(leaf: 8, size: 8) }
    #expect(throws: MerkleFault.outsideTree) { try prover.inclusion(leaf: 0, size: 9) }
    #expect(throws: MerkleFault.outsideTree) { try prover.root(size: .max) }
    #expect(throws: MerkleFault.outsideTree) { try prover.consistency(first: 8, second: 7) }
  }

  @Test func sizesOfMostBitsAreProvenWithFewSubtrees() throws {
    // Only the shape is looked at: every subtree has the same hash.
    var asked = 0
    let prover = MerkleProver { _, _ in
      asked += 1
      return .empty
    }
    let path = try prover.inclusion(leaf: .max - 1, size: .max)
    #expect(path.count == 63)
    #expect(asked <= 128)
  }

  static func flipped(_ proof: [TreeHash], _ index: Int) -> [TreeHash] {
    var proof = proof
    var bytes = proof[index].bytes
    bytes[index % 32] ^= 1 << UInt8(index % 8)
    if let hash = TreeHash(bytes) { proof[index] = hash }
    return proof
  }
}
