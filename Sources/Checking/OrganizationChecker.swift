internal import ConsentCore
internal import ConsentStore
internal import Synchronization

/// The index, the batches and the readings of one organization.
///
/// Two loops run while there is work, each one thing at a time: batches go into the log, and facts
/// that the index lacks are read. Arrivals gather meanwhile, and while a batch is on its way to the
/// log they are decided on for the next; there is no timer.
final class OrganizationChecker: Sendable {
  struct State {
    /// Questions for the next batch, in order of arrival.
    var arrived: [CheckCall] = []
    /// Questions whose facts have to be read first.
    var lacking: [CheckCall] = []
    /// Questions whose facts were read together, for a batch of their own.
    var read: [ReadGroup] = []
    /// Questions decided on ahead, for the next batch.
    var ahead: [Ahead] = []
    var isBatching = false
    /// A batch is on its way to the log.
    var isAppending = false
    var isTakingAhead = false
    var isReading = false
    /// A change is known of that the index has not seen.
    var looksAhead = false
    /// The whole register is being read.
    var isLoading = false
    /// Who waits until anything at all has been read.
    var waitingForFirst: CheckedContinuation<Void, Never>?
    /// Why nothing is answered any more.
    var stopped: String?
  }

  /// Questions with the reading that answers them.
  struct ReadGroup: Sendable {
    var calls: [CheckCall]
    var fill: FactFill
  }

  let organization: OrganizationID
  let store: any ConsentStore
  let clock: any WallClock
  let options: Checker.Options
  let deviation: Deviation
  let together: Checker.Together
  let report: @Sendable (CheckerReport) -> Void
  let state = Mutex(State())
  /// Has a lock of its own: a batch is looked up in it for longer than an arrival should wait. Whoever
  /// holds both has taken `state` first.
  let index: Mutex<FactIndex>

  init(
    _ organization: OrganizationID, store: any ConsentStore, clock: any WallClock,
    options: Checker.Options, deviation: Deviation, together: @escaping Checker.Together,
    report: @escaping @Sendable (CheckerReport) -> Void
  ) {
    self.organization = organization
    self.store = store
    self.clock = clock
    self.options = options
    self.deviation = deviation
    self.together = together
    self.report = report
    index = Mutex(Self.emptyIndex(options, deviation))
  }

  func emptyIndex() -> FactIndex { Self.emptyIndex(options, deviation) }

  private static func emptyIndex(
    _ options: Checker.Options, _ deviation: Deviation
  ) -> FactIndex {
    FactIndex(
      limit: options.indexedImages, prepared: options.preparedImages, deviation: deviation)
  }

  var indexed: (images: Int, position: UInt64) {
    index.withLock { ($0.count, $0.applied?.position ?? 0) }
  }

  /// What fills the index. Once nothing is answered any more, nothing is kept either.
  func unlessStopped<Result: Sendable>(_ body: (inout FactIndex) -> Result?) -> Result? {
    state.withLock { state in
      state.stopped == nil ? index.withLock { body(&$0) } : nil
    }
  }

  func submit(_ call: CheckCall) {
    enum Next {
      case wait
      case begin
      case takeAhead
      case refuse(StoreError)
    }
    let next: Next = state.withLock { state in
      if let why = state.stopped { return .refuse(.unavailable(why)) }
      let waiting = state.arrived.count + state.lacking.count + state.aheadCount
      guard waiting < options.queueLimit else { return .refuse(.overloaded) }
      state.arrived.append(call)
      if state.isBatching { return state.takesAhead() ? .takeAhead : .wait }
      state.isBatching = true
      return .begin
    }
    switch next {
    case .wait: break
    case .begin: Task { await batches() }
    case .takeAhead: Task { takeAhead() }
    case .refuse(let error): call.fail(error)
    }
  }

  /// Takes calls in again that could not be answered where they were.
  func put(_ calls: [CheckCall], lacking: Bool) {
    guard !calls.isEmpty else { return }
    let stopped = state.withLock { state in
      if state.stopped == nil {
        if lacking { state.lacking += calls } else { state.arrived = calls + state.arrived }
      }
      return state.stopped
    }
    if let stopped {
      for call in calls { call.fail(StoreError.unavailable(stopped)) }
      return
    }
    lacking ? wakeReader() : wakeBatches()
  }

  func wakeBatches() {
    let begins = state.withLock { state in
      defer { state.isBatching = true }
      return !state.isBatching
    }
    if begins { Task { await batches() } }
  }

  func wakeReader() {
    let begins = state.withLock { state in
      defer { state.isReading = true }
      return !state.isReading
    }
    if begins { Task { await readings() } }
  }

  /// Where questions are being answered, the next batch sees the change by itself.
  func lookAhead() {
    let looks = state.withLock { state in
      state.looksAhead = !state.isBatching && index.withLock { $0.applied } != nil
      return state.looksAhead
    }
    if looks { wakeReader() }
  }

  /// Returns when something has been read, or could not be.
  func readFirst() async {
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        guard state.stopped == nil, state.waitingForFirst == nil,
          index.withLock({ $0.applied }) == nil
        else { return false }
        state.waitingForFirst = continuation
        return true
      }
      if waits { wakeReader() } else { continuation.resume() }
    }
  }

  /// INVARIANT: nothing is answered for the organization from here on.
  func stop(_ why: String) {
    let (calls, isNew, waiting) = state.withLock { state in
      defer {
        state.stopped = why
        state.arrived = []
        state.lacking = []
        state.read = []
        state.ahead = []
        state.waitingForFirst = nil
        index.withLock { $0.reset() }
      }
      return (
        state.arrived + state.lacking + state.read.flatMap(\.calls) + state.ahead.flatMap(\.calls),
        state.stopped == nil, state.waitingForFirst
      )
    }
    waiting?.resume()
    for call in calls { call.fail(StoreError.unavailable(why)) }
    if isNew { report(.stopped(organization, why: why)) }
  }

  /// What a failed round trip means to those who waited for it.
  func failed(_ calls: [CheckCall], _ error: any Error) {
    if case .unreadable(let what)? = error as? StoreError {
      // Fail closed: what this version cannot read may be a revocation.
      stop("the feed of the organization holds what this version cannot read (\(what)); upgrade it")
      for call in calls { call.fail(StoreError.unavailable("the feed cannot be followed")) }
    } else {
      for call in calls { call.fail(error) }
    }
  }

  /// The feed is of another history: what was taken on it is answered to nobody.
  func begin(anewFor calls: [CheckCall]) {
    index.withLock { $0.reset() }
    report(.historyReplaced(organization))
    for call in calls {
      call.fail(StoreError.unavailable("the register was replaced by an older one; ask again"))
    }
  }

  /// The instant of a decision: never before what is known at its head.
  func instant(at head: FeedHead) -> Instant {
    let now = clock.now()
    return deviation.isOn(.knownFromClock) ? now : max(now, head.known)
  }

  /// Lets the database answer what neither the index nor a reading could, or would have refused.
  func fallBack(_ call: CheckCall) {
    if let why = state.withLock({ $0.stopped }) { return call.fail(StoreError.unavailable(why)) }
    Task { [store, organization] in
      do {
        call.answer(.success(try await store.decide(organization, call.body)))
      } catch {
        call.fail(error)
      }
    }
  }
}
