public import ConsentCore
public import ProofLog
internal import Synchronization

/// The reference model: everything in memory, one lock. For tests, and to check the other store by.
///
/// Bodies run while the lock is held; they must not call the store.
public final class MemoryConsentStore: ConsentStore {
  private let clock: any WallClock
  private let registers = Mutex<[OrganizationID: MemoryRegister]>([:])

  private let logSigner: LogSigner?

  public init(clock: any WallClock, logSigner: LogSigner? = nil) {
    self.clock = clock
    self.logSigner = logSigner
  }

  public func read<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result {
    try body(MemoryView(try register(of: organization), clock: clock.now()))
  }

  public func write(
    _ organization: OrganizationID, by caller: String, key: IdempotencyKey?,
    about patient: PatientID?,
    _ body: @Sendable @escaping (any FactWriter) throws -> [UInt8]
  ) async throws -> WriteReceipt {
    try registers.withLock { registers in
      guard let register = registers[organization] else { throw StoreError.unknownOrganization }
      let replyKey = key.map { MemoryRegister.ReplyKey(caller: $0.caller, key: $0.key) }
      if let replyKey, let earlier = register.replies[replyKey] {
        guard earlier.contentSHA256 == key?.contentSHA256 else {
          throw StoreError.idempotencyConflict
        }
        return WriteReceipt(reply: earlier.reply, head: earlier.head, replayed: true)
      }
      let view = MemoryView(register, clock: clock.now(), caller: caller)
      let reply = try body(view)
      if let key, let replyKey {
        view.register.replies[replyKey] = MemoryRegister.Reply(
          contentSHA256: key.contentSHA256, reply: reply, head: view.head)
      }
      registers[organization] = view.register
      let log = view.register.log
      return WriteReceipt(
        reply: reply, head: view.head, replayed: false,
        log: log.nextLeaf > register.log.nextLeaf ? LogReceipt(log) : nil)
    }
  }

  public func decide(
    _ organization: OrganizationID,
    _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry]
  ) async throws -> [LoggedDecision] {
    try registers.withLock { registers in
      guard let register = registers[organization] else { throw StoreError.unknownOrganization }
      let view = MemoryView(register, clock: clock.now())
      let logged = try view.log(try refusingPermits(by: clock, body)(view))
      registers[organization] = view.register
      return logged
    }
  }

  public func append(
    _ organization: OrganizationID, _ taken: TakenDecisions, if condition: AppendCondition
  ) async throws -> AppendOutcome {
    try registers.withLock { registers in
      guard let register = registers[organization] else { throw StoreError.unknownOrganization }
      guard register.head(at: taken.head.position)?.chain == taken.head.chain else {
        return .historyReplaced
      }
      let following = FeedFollowing(
        head: register.head,
        rows: Array(
          register.feed.dropFirst(Int(clamping: condition.after)).prefix(FeedFollowing.limit)),
        holdsPart2: register.firstPart2 != nil)
      if let position = condition.unlessFactsChangedAbove,
        register.head.factPosition > position
      {
        return .behind(following)
      }
      let view = MemoryView(register, clock: clock.now())
      let logged = try view.log(taken.entries, at: taken.head)
      registers[organization] = view.register
      return .logged(logged, following)
    }
  }

  public func organizations() async throws -> [OrganizationSettings] {
    registers.withLock { $0.values.map(\.settings) }.sorted { $0.id < $1.id }
  }

  public func createOrganization(_ settings: OrganizationSettings) async throws {
    try registers.withLock { registers in
      guard let existing = registers[settings.id] else {
        registers[settings.id] = MemoryRegister(settings: settings, logSigner: logSigner)
        return
      }
      guard existing.settings == settings else {
        throw InvalidChange("the organization exists with other settings")
      }
    }
  }

  public func probe() async throws {}

  public func close() async {}

  /// Keeps what `body` made of the register unless it throws.
  func change<Result>(
    _ organization: OrganizationID, _ body: (inout MemoryRegister, Instant) throws -> Result
  ) throws -> Result {
    try registers.withLock { registers in
      guard var register = registers[organization] else { throw StoreError.unknownOrganization }
      let result = try body(&register, max(clock.now(), register.head.known))
      registers[organization] = register
      return result
    }
  }

  private func register(of organization: OrganizationID) throws -> MemoryRegister {
    guard let register = registers.withLock({ $0[organization] }) else {
      throw StoreError.unknownOrganization
    }
    return register
  }
}
