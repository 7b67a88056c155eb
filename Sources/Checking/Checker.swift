public import ConsentCore
public import ConsentStore
internal import Synchronization

/// Takes decisions on facts in memory, and answers none before the database has confirmed that the
/// facts are still so and has made the decision's record durable: one round trip a batch.
///
/// INVARIANT (I1): nothing is returned before its record is committed.
/// INVARIANT (I2): a decision rests on facts as they were when its request arrived, or later: it is
/// appended only if no fact changed above the position it was taken at, in a snapshot taken after
/// the arrival; or it was taken at a head that was read after the arrival.
public final class Checker: Sendable {
  public struct Options: Sendable {
    /// The most images an organization's index holds.
    public var indexedImages: Int
    /// Of these, how many are kept ready to be decided on, some kilobytes each; at most 65,535.
    public var preparedImages: Int
    /// Calls of one organization that may wait.
    public var queueLimit: Int
    /// Calls that share a batch, so that none waits long for the others.
    public var batchLimit: Int
    /// Decisions taken ahead that are older than this are made anew before they go to the log: the
    /// clock has a say in them, and the append before theirs may take long.
    public var aheadLimit: Duration
    public init(
      indexedImages: Int = 2_000_000, preparedImages: Int = 65_536, queueLimit: Int = 10_000,
      batchLimit: Int = 512, aheadLimit: Duration = .milliseconds(50)
    ) {
      self.indexedImages = indexedImages
      self.preparedImages = preparedImages
      self.queueLimit = queueLimit
      self.batchLimit = batchLimit
      self.aheadLimit = aheadLimit
    }
  }

  private let store: any ConsentStore
  private let clock: any WallClock
  private let options: Options
  private let deviation: Deviation
  private let together: Together
  private let report: @Sendable (CheckerReport) -> Void
  private let organizations = Mutex<[OrganizationID: OrganizationChecker]>([:])

  /// Runs what gives the answers of a batch; for whoever can hand them on together.
  public typealias Together = @Sendable (() -> Void) -> Void

  /// - Parameters:
  ///   - mutant: a broken behaviour, in debug builds only.
  ///   - report: told of what an operator should know.
  public init(
    store: any ConsentStore, clock: any WallClock, options: Options = Options(),
    mutant: CheckingMutant? = nil, together: @escaping Together = { $0() },
    report: @escaping @Sendable (CheckerReport) -> Void = { _ in }
  ) {
    self.store = store
    self.clock = clock
    self.options = options
    deviation = Deviation(mutant)
    self.together = together
    self.report = report
  }

  /// Decides and logs.
  ///
  /// - Parameters:
  ///   - images: whose facts `body` asks for, one image at a time.
  ///   - identifiers: by which it names patients.
  ///   - atLeast: a position that the answer must not be older than.
  ///   - body: takes the decisions. May run several times, and on another reader than the index's;
  ///     it must have no effect but what it returns.
  /// - Throws: what `body` throws on a view of the database; `StoreError.overloaded` when the queue
  ///   is full; `StoreError.unavailable` when the database cannot answer, or the organization's
  ///   feed may not be trusted; `CancellationError` when the caller's task ends first. A batch is
  ///   not cancelled by that.
  public func decide(
    _ organization: OrganizationID, images: [ImageKey], identifiers: [Identifier] = [],
    atLeast: UInt64 = 0,
    _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry]
  ) async throws -> [LoggedDecision] {
    let handle = CancellableCall()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let call = CheckCall(
          images: images, identifiers: identifiers, atLeast: atLeast,
          body: refusingPermits(by: clock, body)
        ) { continuation.resume(with: $0) }
        guard handle.made(call) else { return call.fail(CancellationError()) }
        checker(of: organization).submit(call)
      }
    } onCancel: {
      handle.cancel()
    }
  }

  /// The same without a task that waits.
  ///
  /// - Parameter answer: called once, on any thread, and perhaps before this returns. The answers of
  ///   a batch are given one after the other, so it must not take long.
  public func decide(
    _ organization: OrganizationID, images: [ImageKey], identifiers: [Identifier] = [],
    atLeast: UInt64 = 0,
    _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry],
    answer: @Sendable @escaping (Result<[LoggedDecision], any Error>) -> Void
  ) -> PendingDecision {
    let call = CheckCall(
      images: images, identifiers: identifiers, atLeast: atLeast,
      body: refusingPermits(by: clock, body), answer: answer)
    checker(of: organization).submit(call)
    return PendingDecision(call: call)
  }

  /// Something was changed on this node: the index looks before the next question does.
  public func changed(_ organization: OrganizationID) {
    organizations.withLock { $0[organization] }?.lookAhead()
  }

  /// Begins to read the whole registers of organizations into their indexes, in the background and
  /// one after the other.
  public func preload(_ organizations: [OrganizationID]) {
    Task { [self] in
      for organization in organizations { await checker(of: organization).preload() }
    }
  }

  /// Images in the organization's index now, and how far it has followed the feed.
  public func state(of organization: OrganizationID) -> (images: Int, position: UInt64) {
    organizations.withLock { $0[organization] }?.indexed ?? (0, 0)
  }

  private func checker(of organization: OrganizationID) -> OrganizationChecker {
    organizations.withLock { organizations in
      if let known = organizations[organization] { return known }
      let new = OrganizationChecker(
        organization, store: store, clock: clock, options: options, deviation: deviation,
        together: together, report: report)
      organizations[organization] = new
      return new
    }
  }
}

/// A question that was asked and is perhaps not answered yet.
public struct PendingDecision: Sendable {
  let call: CheckCall

  /// Answers it with `CancellationError`, unless it was answered before. A batch that it is in
  /// already goes on: the decision may be in the log.
  public func cancel() { call.fail(CancellationError()) }
}

/// What an operator should know of an index and of what is logged from it.
public enum CheckerReport: Sendable {
  /// Decisions logged together. `rounds` is 2 where facts had changed since they were first taken.
  case logged(decisions: Int, rounds: Int)
  case preloading(OrganizationID, images: Int)
  /// `isWhole`: the index holds the whole register; otherwise it is full, or reading failed.
  case preloaded(OrganizationID, images: Int, isWhole: Bool)
  /// The feed is not the one followed so far (a restored backup, a lost fail-over): everything is
  /// read anew.
  case historyReplaced(OrganizationID)
  /// The feed holds what this version does not know: it answers nothing for the organization.
  case stopped(OrganizationID, why: String)
}
