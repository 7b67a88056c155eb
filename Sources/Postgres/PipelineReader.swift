internal import CLibpq

/// Matches the answers that come back with the statements that were sent.
struct PipelineReader {
  let connection: PostgresConnection
  /// No transaction is open, so that the end of the pipeline commits.
  let mayCommitAtSync: Bool
  private var answer = PostgresConnection.PipelineAnswer()
  /// COMMIT was answered: whatever comes after it does not undo it.
  private var isCommitted = false

  init(connection: PostgresConnection, mayCommitAtSync: Bool) {
    self.connection = connection
    self.mayCommitAtSync = mayCommitAtSync
  }

  /// Reads up to the end of the pipeline.
  /// - Throws: when the connection breaks, which fails all statements not yet answered.
  mutating func read(
    _ expected: [PostgresPipeline.Expected]
  ) throws(PostgresError) -> PostgresConnection.PipelineAnswer {
    // While answers are missing, a lost connection hides whether the server went on to the COMMIT
    // that it had already been sent.
    let holdsCommit = expected.contains { if case .commit = $0 { true } else { false } }
    let mayCommit =
      mayCommitAtSync || (holdsCommit && connection.openTransaction?.readOnly != true)
    do throws(PostgresError) {
      for item in expected { try take(item, mayCommit: mayCommit) }
      try readEnd(mayCommit: mayCommitAtSync)
    } catch {
      // A session that ends between COMMIT and the end of the pipeline undoes nothing. Told as an
      // error that may be retried, it would have the transaction done twice.
      if isCommitted { return answer }
      throw error.withOutcomeUnknown(mayCommit)
    }
    return answer
  }

  private mutating func take(
    _ item: PostgresPipeline.Expected, mayCommit: Bool
  ) throws(PostgresError) {
    switch item {
    case .prepare(let statement, let entry):
      if let error = try readOne(statement.name, mayCommit: mayCommit).failure {
        note(error)
      } else {
        connection.prepared.insert(entry, for: statement)
      }
    case .statement(let name):
      let result = try readOne(name, mayCommit: mayCommit)
      if let error = result.failure { note(error) }
      // When preparing has failed, the statement was skipped; the reason is the better answer.
      let reason = answer.firstFailure.flatMap { $0.statement == name ? $0 : nil }
      if case .failure(let error) = result {
        answer.statements.append(.failure(reason ?? error))
      } else {
        answer.statements.append(result)
      }
    case .commit:
      let result = try readOne("commit", mayCommit: mayCommit, isCommit: true)
      switch result {
      case .failure(let error): note(error)
      case .success(let result):
        do throws(PostgresError) {
          try PostgresConnection.checkCommitted(result)
          isCommitted = true
        } catch {
          note(error)
        }
      }
    }
  }

  private mutating func note(_ error: PostgresError) {
    answer.firstFailure = answer.firstFailure ?? error
  }

  /// The answer to one statement: a result, then nothing.
  private func readOne(
    _ name: String, mayCommit: Bool, isCommit: Bool = false
  ) throws(PostgresError) -> Result<PostgresResult, PostgresError> {
    guard let result = try connection.nextResult(name) else { throw unexpectedEnd(name) }
    // A statement before COMMIT that the server itself reports as failed keeps COMMIT from running,
    // even when the session ends with it.
    let failure = connection.failure(of: result, mayCommit: isCommit || mayCommitAtSync)
    if connection.isBroken, let failure {
      throw failure.withOutcomeUnknown(failure.sqlState == nil && mayCommit)
    }
    while try connection.nextResult(name) != nil {}
    if let failure { return .failure(failure) }
    return .success(result)
  }

  /// The end of the pipeline. An error before it is the error of the commit made there.
  private mutating func readEnd(mayCommit: Bool) throws(PostgresError) {
    var sawNothing = false
    while true {
      guard let result = try connection.nextResult("pipeline") else {
        guard !sawNothing else { throw unexpectedEnd("pipeline") }
        sawNothing = true
        continue
      }
      sawNothing = false
      if let failure = connection.failure(of: result, mayCommit: mayCommit) {
        if connection.isBroken { throw failure }
        note(failure)
        answer.endFailure = answer.endFailure ?? failure
        continue
      }
      guard unsafe PQresultStatus(result.pointer) != PGRES_PIPELINE_SYNC else { return }
    }
  }

  private func unexpectedEnd(_ name: String) -> PostgresError {
    connection.isBroken = true
    return PostgresError(.connectionLost, "the server sent no result", statement: name)
  }
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let error) = self { error } else { nil }
  }
}
