public import ConsentCore
internal import Postgres

extension PostgresConsentStore {
  public func write(
    _ organization: OrganizationID, by caller: String, key: IdempotencyKey?,
    _ body: @Sendable @escaping (any FactWriter) throws -> [UInt8]
  ) async throws -> WriteReceipt {
    let attempt = WriteAttempt(
      organization: organization, caller: caller, key: ReplyKey(key), keys: keys, clock: clock,
      log: Self.randomID(), body: body)
    let deadline = ContinuousClock.now + options.resolutionTimeout
    var outcomeIsOpen = false
    var failures = 0
    while true {
      do {
        return try await writes.run { [outcomeIsOpen] connection in
          try attempt.run(connection, resolving: outcomeIsOpen)
        }
      } catch let error as PostgresError {
        outcomeIsOpen = outcomeIsOpen || error.outcomeUnknown
        failures += 1
        if error.isLockTimeout { await endSilentHolders() }
        // Once a commit may stand, the database is asked again for longer: only the idempotency
        // record, read under the lock, tells. An error after that look-up is the body's or final.
        let mayTryAgain = outcomeIsOpen ? ContinuousClock.now < deadline : failures < 6
        guard error.outcomeUnknown || error.isRetryable, mayTryAgain else {
          throw StoreFailure.public(error)
        }
        try? await Task.sleep(for: .milliseconds(20))
      } catch {
        throw StoreFailure.public(error)
      }
    }
  }

  static func randomID<Subject>() -> ID<Subject> {
    var generator = SystemRandomNumberGenerator()
    return ID(high: generator.next(), low: generator.next())
  }
}

/// Under which key the reply of a write is found again. A write without a caller's key gets one of
/// its own, so that a lost reply can always be resolved.
struct ReplyKey: Sendable {
  var origin: Int16
  var caller: String
  var key: String
  var contentSHA256: [UInt8]

  init(_ key: IdempotencyKey?) {
    origin = key == nil ? 2 : 1
    caller = key?.caller ?? ""
    let own: ID<Record> = PostgresConsentStore.randomID()
    self.key = key?.key ?? own.description
    contentSHA256 = key?.contentSHA256 ?? []
  }
}

/// One try at a write: lock, head, look-up, body, reply, commit.
struct WriteAttempt: Sendable {
  var organization: OrganizationID
  var caller: String
  var key: ReplyKey
  var keys: KeyRing
  var clock: any WallClock
  var log: ID<DecisionLog>
  var body: @Sendable (any FactWriter) throws -> [UInt8]

  /// - Parameter resolving: an earlier try may have committed; its reply then is not a replay.
  func run(_ connection: PostgresConnection, resolving: Bool) throws -> WriteReceipt {
    var logged: LogState?
    let receipt = try connection.transaction(isolation: .readCommitted) { connection in
      let results = try connection.pipeline { pipeline in
        _ = try TransactionEntry.enter(&pipeline, organization)
        try pipeline.execute(.lockOrganization, organization)
        try pipeline.execute(.head, organization)
        try pipeline.execute(.reply, organization, key.origin, key.caller, key.key)
      }
      try TransactionEntry.checkEntered(results.result(0))
      let entry = try TransactionEntry(
        organization, results.result(1), head: results.result(2))
      let view = PostgresView(
        connection, entry, keys: keys, clock: clock.now(), caller: caller, log: log)
      if let row = try results.result(3).first {
        return try replay(row, view, resolving: resolving)
      }
      StopPoint.writeLocked.reached()
      let reply = try body(view)
      logged = view.log
      try connection.execute(
        .putReply, organization, key.origin, key.caller, key.key, key.contentSHA256, reply,
        column(view.head.position), view.now)
      StopPoint.writeInserted.reached()
      return WriteReceipt(reply: reply, head: view.head, replayed: false)
    }
    StopPoint.writeCommitted.reached()
    if let logged { signAndEnd(logged, at: receipt.head, connection) }
    return receipt
  }

  /// The change stands whatever comes of it: of a log that could not be ended this process alone
  /// knows the signature.
  private func signAndEnd(
    _ log: LogState, at head: FeedHead, _ connection: PostgresConnection
  ) {
    let log = log.signed(by: keys.signer, organization: organization)
    do {
      try log.end(organization, head: head, at: clock.now(), connection)
    } catch {
      keys.signed.put(log)
    }
  }

  /// An acknowledgement leaves only after a transaction that wrote, so this one writes too.
  private func replay(
    _ row: PostgresRow, _ view: PostgresView, resolving: Bool
  ) throws -> WriteReceipt {
    let (content, reply) = try row.decode([UInt8].self, [UInt8].self)
    guard content == key.contentSHA256 else { throw StoreError.idempotencyConflict }
    guard let head = try view.head(at: row.unsigned(2)) else {
      throw StoreError.unreadable("the position of a recorded reply is above the head")
    }
    let replay: ID<Record> = PostgresConsentStore.randomID()
    try view.connection.execute(
      .putReplay, organization, replay, key.origin, column(head.position), view.now)
    return WriteReceipt(reply: reply, head: head, replayed: !resolving)
  }
}

extension PostgresStatement {
  fileprivate static let reply = PostgresStatement(
    name: "reply",
    sql: """
      SELECT content_sha256, reply, position FROM idempotency
      WHERE organization_id = $1 AND origin = $2 AND caller = $3 AND key = $4
      """)
  fileprivate static let putReply = PostgresStatement(
    name: "put_reply",
    sql: """
      INSERT INTO idempotency
        (organization_id, origin, caller, key, content_sha256, reply, position, recorded)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      """)
  fileprivate static let putReplay = PostgresStatement(
    name: "put_replay",
    sql: """
      INSERT INTO idempotency_replay (organization_id, replay_id, origin, position, replayed)
      VALUES ($1, $2, $3, $4, $5)
      """)
}
