internal import ConsentCore
internal import ProofLog

/// What a file says that its logs must have been, and what they were found to be.
///
/// A root is kept for each size that was announced before the log came, and no more: the memory of
/// a verification does not grow with the logs.
struct NamedSizes {
  typealias Sizes = [UInt64: TreeHash]

  private var announced: [ID<DecisionLog>: Set<UInt64>] = [:]
  /// By records, which count; compared when the file ends.
  private var demanded: [ID<DecisionLog>: Sizes] = [:]
  private var found: [ID<DecisionLog>: Sizes] = [:]
  /// The end of each log that was read.
  private var ends: [ID<DecisionLog>: UInt64] = [:]

  mutating func announce(_ log: ID<DecisionLog>, size: UInt64) {
    announced[log, default: []].insert(size)
  }

  /// - Returns: `false` if another record gives it another root.
  mutating func demand(_ log: NamedLog) -> Bool {
    demanded[log.id, default: [:]].updateValue(log.root, forKey: log.size) ?? log.root == log.root
  }

  /// To be told of each size of each log.
  mutating func reach(_ log: ID<DecisionLog>, size: UInt64, root: TreeHash) {
    if announced[log]?.contains(size) == true { found[log, default: [:]][size] = root }
  }

  mutating func end(_ log: ID<DecisionLog>, size: UInt64, root: TreeHash) {
    ends[log] = size
    found[log, default: [:]][size] = root
  }

  enum Verdict {
    case isMissing, isShorter, isAnother
    /// It was not announced, so that its root is not known.
    case isUnknown
  }

  /// The first that does not hold, by log and size; `nil`: all do.
  /// - Parameter ofPart: logs may be missing from the file.
  func verdict(ofPart: Bool) -> (log: ID<DecisionLog>, size: UInt64, verdict: Verdict)? {
    for (log, sizes) in demanded.sorted(by: { $0.key < $1.key }) {
      for (size, root) in sizes.sorted(by: { $0.key < $1.key }) {
        guard let end = ends[log] else {
          if ofPart { break }
          return (log, size, .isMissing)
        }
        if size > end { return (log, size, .isShorter) }
        guard let found = found[log]?[size] else { return (log, size, .isUnknown) }
        if found != root { return (log, size, .isAnother) }
      }
    }
    return nil
  }
}
