internal import ConsentCore
public import ProofLog

/// Verifies an export of logs without the service: every record, in its place, gives the roots that
/// were signed.
///
/// What this cannot find without a checkpoint or receipt from elsewhere: that whoever has the
/// signing key and the database went back to an earlier state, or told another history.
public struct LogVerifier {
  /// Where the first fault is. What is known of it depends on the fault.
  public struct Fault: Error, Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
      /// The file is none, or was cut off or spliced between records.
      case malformed, truncated
      /// The bytes are not those that were hashed.
      case changed
      /// A record of another place, log or organization; or one too many or too few.
      case misplaced, missing
      /// The records of a batch do not give its root; one of its leaves was changed.
      case root
      case signature
      /// Records follow the end that another node signed.
      case reopened
      /// The key that signed is none that was given.
      case unknownKey
      /// Against a checkpoint from elsewhere: the log is shorter than it was, or another.
      case rolledBack, forked
      /// An activity log in the file names the log, which is not there, shorter, or another.
      case dropped, cut, replaced
    }

    public var kind: Kind
    /// Bytes from the beginning of the file.
    public var offset: UInt64
    public var origin: String?
    public var leaf: UInt64?
    /// The leaf after the last that may be meant.
    public var end: UInt64?
    public var decision: DecisionID?
  }

  public struct Log: Hashable, Sendable {
    public var origin: String
    public var size: UInt64
    public var root: TreeHash
    /// How many leaves are under a signature in the file that was verified; later ones are under
    /// receipts and checkpoints only.
    public var signedSize: UInt64
    /// Name of the key of another node that closed it, which signed for what was stored then.
    public var closedBy: String?
    /// Of `signedSize`, what the log's own node signed.
    public var ownSignedSize: UInt64
  }

  /// Whose signatures count; empty: those of the keys that the file itself names, which shows that
  /// it is consistent and not who wrote it.
  public var keys: [VerifierKey]
  /// Checkpoints from elsewhere, already verified.
  public var checkpoints: [Checkpoint]

  /// The file is of some logs only: one that others name may be missing.
  public var isOfPart: Bool

  public init(keys: [VerifierKey], checkpoints: [Checkpoint] = [], isOfPart: Bool = false) {
    self.keys = keys
    self.checkpoints = checkpoints
    self.isOfPart = isOfPart
  }

  /// - Parameters:
  ///   - next: the next piece of the file; empty at its end.
  ///   - progress: gets the number of bytes and leaves verified so far, once a batch.
  /// - Returns: the logs in it.
  /// - Throws: the first `Fault`, or what `next` throws.
  public func verify(
    _ next: @escaping () throws -> [UInt8], progress: (UInt64, UInt64) -> Void = { _, _ in }
  ) throws -> [Log] {
    var source = ExportSource(next)
    var run = VerifierRun(self)
    guard try source.take(LogExport.magic.count).map(Array.init) == LogExport.magic else {
      throw Fault(kind: .malformed, offset: 0)
    }
    while true {
      let start = source.offset
      guard let kind = try source.integer(UInt8.self) else {
        throw run.fault(.truncated, at: start)
      }
      switch kind {
      case LogExport.Frame.named: try run.named(&source)
      case LogExport.Frame.log: try run.begin(&source)
      case LogExport.Frame.batch: try run.batch(&source)
      case LogExport.Frame.signature: try run.signature(&source)
      case LogExport.Frame.closing: try run.closing(&source)
      case LogExport.Frame.logEnd: try run.end(&source)
      case LogExport.Frame.fileEnd:
        try run.finish(&source)
        return run.logs
      default: throw run.fault(.malformed, at: start)
      }
      progress(source.offset, run.leaves)
    }
  }
}
