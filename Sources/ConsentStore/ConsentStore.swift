public import ConsentCore

/// Where facts, feed and decisions are kept. Two implementations share one conformance suite:
/// `PostgresConsentStore` is the product, `MemoryConsentStore` the reference model.
///
/// Every closure runs synchronously inside one transaction, on a thread of the store's own, and may
/// run again if the transaction had to be repeated: it must have no effect but through its argument.
public protocol ConsentStore: ActivityStore {
  /// Runs `body` on one repeatable-read snapshot of `organization`.
  func read<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result

  /// The same for a body that reads a whole register, however long that takes: beside the other
  /// reads, and without a deadline.
  func readWhole<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result

  /// Runs `body` under the organization's lock and commits what it appended, all or nothing.
  ///
  /// Changes that come together may share a transaction; each sees those before it and has an
  /// outcome of its own, which is told after the commit.
  ///
  /// - Parameter key: an idempotency key already used with the same content gives the first reply
  ///   without running `body`; with other content it throws `StoreError.idempotencyConflict`.
  /// - Parameter patient: whose facts and identity `body` will ask for, if it asks for one patient's;
  ///   the store may then read them for many changes at once.
  /// - Returns: what `body` replied, and the head after the change. Returned only after commit; a
  ///   lost reply is resolved behind the organization's lock before it returns.
  func write(
    _ organization: OrganizationID, by caller: String, key: IdempotencyKey?,
    about patient: PatientID?,
    _ body: @Sendable @escaping (any FactWriter) throws -> [UInt8]
  ) async throws -> WriteReceipt

  /// Runs `body` on a snapshot taken after the call began, and makes the decisions it returns
  /// durable before returning.
  ///
  /// INVARIANT (I1, I2): the snapshot is younger than the call, and nothing is returned before the
  /// decision records are committed.
  func decide(
    _ organization: OrganizationID,
    _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry]
  ) async throws -> [LoggedDecision]

  /// Makes decisions durable that were taken outside of a transaction, if the feed is still as they
  /// need it.
  ///
  /// INVARIANT: condition, append and the rows returned are of one snapshot, taken after the call
  /// began; `logged` is returned only when the records are known to be committed.
  /// - Throws: `StoreError.unreadable` when a row above `condition.after` is of a kind that this
  ///   version does not know.
  func append(
    _ organization: OrganizationID, _ taken: TakenDecisions, if condition: AppendCondition
  ) async throws -> AppendOutcome

  /// See `FactReader.countUses`; for a caller who wants nothing else.
  func countUses(
    _ organization: OrganizationID, under grants: Set<GrantID>, below position: UInt64?,
    notice: Instant
  ) async throws -> UseCount

  /// Organizations served by this store.
  func organizations() async throws -> [OrganizationSettings]

  /// Creates an organization, or changes nothing if it exists with the same settings.
  func createOrganization(_ settings: OrganizationSettings) async throws

  /// Whether the store can answer now, for health checks; throws what is wrong.
  func probe() async throws

  func close() async
}

extension ConsentStore {
  public func write(
    _ organization: OrganizationID, by caller: String, key: IdempotencyKey?,
    _ body: @Sendable @escaping (any FactWriter) throws -> [UInt8]
  ) async throws -> WriteReceipt {
    try await write(organization, by: caller, key: key, about: nil, body)
  }

  public func readWhole<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result {
    try await read(organization, body)
  }

  public func countUses(
    _ organization: OrganizationID, under grants: Set<GrantID>, below position: UInt64?,
    notice: Instant
  ) async throws -> UseCount {
    try await read(organization) { reader in
      try reader.countUses(under: grants, below: position, notice: notice)
    }
  }
}

/// One organization: the covered entity, the isolation boundary.
public struct OrganizationSettings: Hashable, Sendable {
  public var id: OrganizationID
  public var name: String
  /// IANA name, such as "America/Chicago": where the organization's local days begin.
  public var timeZone: String

  public init(id: OrganizationID, name: String, timeZone: String) {
    self.id = id
    self.name = name
    self.timeZone = timeZone
  }
}

/// A caller's key for one write, with the SHA-256 of the request's content.
public struct IdempotencyKey: Hashable, Sendable {
  public var caller: String
  public var key: String
  public var contentSHA256: [UInt8]

  public init(caller: String, key: String, contentSHA256: [UInt8]) {
    self.caller = caller
    self.key = key
    self.contentSHA256 = contentSHA256
  }
}

public struct WriteReceipt: Sendable {
  public var reply: [UInt8]
  public var head: FeedHead
  /// The key had been used: this is the first reply again.
  public var replayed: Bool
  /// Of the decisions that the change logged, signed after its commit; `nil` if it logged none, or
  /// is replayed.
  public var log: LogReceipt?

  public init(reply: [UInt8], head: FeedHead, replayed: Bool, log: LogReceipt? = nil) {
    self.reply = reply
    self.head = head
    self.replayed = replayed
    self.log = log
  }

  /// Decisions that the change's body logged, as they may be answered now that it is committed.
  public func answerable(_ logged: [LoggedDecision]) -> [LoggedDecision] {
    logged.map { decision in
      // Of no other tree: the signature is of the one that the change left.
      guard let log, decision.receipt?.treeSize == log.treeSize,
        decision.receipt?.root == log.root
      else { return decision }
      var decision = decision
      decision.receipt = log
      return decision
    }
  }
}
