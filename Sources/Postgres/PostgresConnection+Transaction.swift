internal import CLibpq

/// The isolation levels in use here, always stated in BEGIN.
public enum PostgresIsolation: Sendable, Hashable {
  case readCommitted
  case repeatableRead
  case serializable
}

extension PostgresConnection {
  /// Runs `body` in a transaction and commits it, or undoes it when `body` throws.
  ///
  /// - Throws: what `body` throws, after ROLLBACK; or the error of COMMIT, whose `outcomeUnknown`
  ///   tells whether the transaction may stand.
  public func transaction<Value>(
    isolation: PostgresIsolation = .readCommitted,
    readOnly: Bool = false,
    _ body: (PostgresConnection) throws -> Value
  ) throws -> Value {
    try begin(isolation: isolation, readOnly: readOnly)
    let value: Value
    do {
      value = try body(self)
    } catch {
      // The error of the body is the one to report; a connection that cannot even roll back is
      // broken, and the server then undoes the transaction.
      try? rollback()
      throw error
    }
    try commit()
    return value
  }

  public func begin(
    isolation: PostgresIsolation = .readCommitted, readOnly: Bool = false
  ) throws(PostgresError) {
    try requireNoTransaction()
    try execute(.begin(isolation, readOnly: readOnly))
    openTransaction = OpenTransaction(readOnly: readOnly)
  }

  /// Commits. Returning means: committed, and flushed by whatever the server is set to wait for.
  ///
  /// - Throws: with `outcomeUnknown` when the connection broke meanwhile or the server warned;
  ///   otherwise the transaction was undone.
  public func commit() throws(PostgresError) {
    guard let openTransaction else {
      throw PostgresError(.misuse, "no transaction is open", statement: "commit")
    }
    let result: PostgresResult
    do throws(PostgresError) {
      try checkReady("commit")
      let parameters = PostgresParameters()
      let entry = try prepare(.commit, parameters)
      result = try run("commit", mayCommit: !openTransaction.readOnly) {
        sendPrepared(entry.serverName, parameters)
      }
    } catch {
      if isInTransaction, !isBroken {
        try? rollback()
      }
      self.openTransaction = nil
      throw error
    }
    self.openTransaction = nil
    try Self.checkCommitted(result)
  }

  public func rollback() throws(PostgresError) {
    defer { openTransaction = nil }
    // A transaction is undone whether or not its deadline has passed.
    if let deadline, deadline.isOver { try finishCancelling("rollback") }
    let deadline = self.deadline
    self.deadline = nil
    defer { self.deadline = deadline }
    guard isInTransaction else { return }
    let parameters = PostgresParameters()
    let entry = try prepareForExit(.rollback, parameters)
    try run("rollback", mayCommit: false) { sendPrepared(entry.serverName, parameters) }
  }

  /// COMMIT of a failed transaction succeeds and says ROLLBACK.
  static func checkCommitted(_ result: PostgresResult) throws(PostgresError) {
    guard result.commandTag != "COMMIT" else { return }
    throw PostgresError(
      .misuse, "the transaction had failed before and was undone", statement: "commit")
  }

  func requireNoTransaction() throws(PostgresError) {
    guard openTransaction == nil, !isInTransaction else {
      throw PostgresError(.misuse, "a transaction is already open", statement: "begin")
    }
  }

  private func prepareForExit(
    _ statement: PostgresStatement, _ parameters: PostgresParameters
  ) throws(PostgresError) -> PreparedStatements.Entry {
    try checkReady(statement.name)
    return try prepare(statement, parameters)
  }

  /// From here on statements have no deadline, and a cancellation on its way has arrived.
  func endDeadline() {
    guard deadline != nil else { return }
    // When it cannot be known to have arrived, the connection is broken, which says it all.
    try? finishCancelling("deadline")
    deadline = nil
  }

  /// Brings the connection back to where the next job may use it.
  /// - Returns: `false` when it must be closed instead.
  func settle() -> Bool {
    guard !isBroken, !needsReplacement else { return false }
    guard unsafe PQpipelineStatus(handle) == PQ_PIPELINE_OFF else { return false }
    if isInTransaction { try? rollback() }
    openTransaction = nil
    endDeadline()
    return !isBroken && (unsafe PQtransactionStatus(handle) == PQTRANS_IDLE)
  }
}

extension PostgresStatement {
  static let commit = PostgresStatement(name: "commit", sql: "COMMIT")
  static let rollback = PostgresStatement(name: "rollback", sql: "ROLLBACK")

  static func begin(_ isolation: PostgresIsolation, readOnly: Bool) -> PostgresStatement {
    switch (isolation, readOnly) {
    case (.readCommitted, false): beginReadCommitted
    case (.readCommitted, true): beginReadCommittedReadOnly
    case (.repeatableRead, false): beginRepeatableRead
    case (.repeatableRead, true): beginRepeatableReadReadOnly
    case (.serializable, false): beginSerializable
    case (.serializable, true): beginSerializableReadOnly
    }
  }

  private static let beginReadCommitted = PostgresStatement(
    name: "begin_rc", sql: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
  private static let beginReadCommittedReadOnly = PostgresStatement(
    name: "begin_rc_ro", sql: "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
  private static let beginRepeatableRead = PostgresStatement(
    name: "begin_rr", sql: "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
  private static let beginRepeatableReadReadOnly = PostgresStatement(
    name: "begin_rr_ro", sql: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
  private static let beginSerializable = PostgresStatement(
    name: "begin_s", sql: "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE")
  private static let beginSerializableReadOnly = PostgresStatement(
    name: "begin_s_ro", sql: "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
}
