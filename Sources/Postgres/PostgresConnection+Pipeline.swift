internal import CLibpq

extension PostgresConnection {
  /// Sends several statements in one go and waits for their answers once.
  ///
  /// After a statement that fails the server runs none of the following ones. Outside a transaction
  /// all statements together are one: they commit together at the end, or none does.
  ///
  /// - Throws: when `build` throws or the pipeline as a whole fails. A statement that fails does not
  ///   throw: its error is in the results.
  @discardableResult
  public func pipeline(
    _ build: (inout PostgresPipeline) throws -> Void
  ) throws -> PostgresPipelineResults {
    let implicit = !isInTransaction
    var pipeline = try openPipeline()
    let warningsBefore = notices.warningCount
    do {
      try build(&pipeline)
    } catch {
      abandon(pipeline, commitsAtSync: implicit)
      throw error
    }
    let answer = try closePipeline(pipeline, mayCommitAtSync: implicit)
    if let failure = answer.endFailure { throw failure }
    if implicit, answer.firstFailure == nil, notices.warningCount != warningsBefore {
      throw PostgresError.commitUncertain("pipeline")
    }
    return PostgresPipelineResults(results: answer.statements)
  }

  /// BEGIN, the statements and COMMIT in one round trip.
  ///
  /// Returning means that every statement succeeded and the transaction is committed.
  ///
  /// - Throws: the error of the first statement that failed, the transaction being undone; or the
  ///   error of COMMIT. `outcomeUnknown` tells whether the transaction may stand.
  @discardableResult
  public func pipelinedTransaction(
    isolation: PostgresIsolation = .readCommitted,
    readOnly: Bool = false,
    _ build: (inout PostgresPipeline) throws -> Void
  ) throws -> PostgresPipelineResults {
    try requireNoTransaction()
    var pipeline = try openPipeline()
    let warningsBefore = notices.warningCount
    openTransaction = OpenTransaction(readOnly: readOnly)
    defer { openTransaction = nil }
    do {
      let nothing = PostgresParameters()
      let begin = PostgresStatement.begin(isolation, readOnly: readOnly)
      try pipeline.send(begin, nothing, as: .statement(begin.name))
      try build(&pipeline)
      try pipeline.send(.commit, nothing, as: .commit)
    } catch {
      abandon(pipeline, commitsAtSync: false)
      throw error
    }
    let answer = try closePipeline(pipeline, mayCommitAtSync: false)
    if let failure = answer.firstFailure {
      if !isBroken { try? rollback() }
      throw failure
    }
    guard !readOnly else { return answer.withoutBegin }
    // The warning of a COMMIT cannot be told from one of a statement, as libpq hands both out when
    // they arrive. Statements of a pipelined transaction do not warn, so any warning is COMMIT's.
    guard notices.warningCount == warningsBefore else {
      throw PostgresError.commitUncertain("commit")
    }
    return answer.withoutBegin
  }

  /// BEGIN and the statements in one round trip; the transaction stays open.
  ///
  /// - Throws: as `pipeline` does, and the error of BEGIN. Another statement that fails does not
  ///   throw: the caller undoes the transaction then.
  public func begin(
    isolation: PostgresIsolation, with build: (inout PostgresPipeline) throws -> Void
  ) throws -> PostgresPipelineResults {
    try requireNoTransaction()
    var pipeline = try openPipeline()
    openTransaction = OpenTransaction(readOnly: false)
    let begin = PostgresStatement.begin(isolation, readOnly: false)
    do {
      try pipeline.send(begin, PostgresParameters(), as: .statement(begin.name))
      try build(&pipeline)
    } catch {
      abandon(pipeline, commitsAtSync: false)
      openTransaction = nil
      throw error
    }
    do {
      let answer = try closePipeline(pipeline, mayCommitAtSync: false)
      if case .failure(let error)? = answer.statements.first { throw error }
      return answer.withoutBegin
    } catch {
      openTransaction = nil
      throw error
    }
  }

  /// The statements and COMMIT of the open transaction in one round trip.
  ///
  /// - Throws: the error of the first statement that failed, the transaction being undone; or the
  ///   error of COMMIT. `outcomeUnknown` tells whether the transaction may stand.
  public func commit(after build: (inout PostgresPipeline) throws -> Void) throws {
    guard openTransaction?.readOnly == false else {
      throw PostgresError(.misuse, "no transaction that writes is open", statement: "commit")
    }
    var pipeline = try openPipeline()
    defer { openTransaction = nil }
    let warningsBefore = notices.warningCount
    do {
      try build(&pipeline)
      try pipeline.send(.commit, PostgresParameters(), as: .commit)
    } catch {
      abandon(pipeline, commitsAtSync: false)
      throw error
    }
    let answer = try closePipeline(pipeline, mayCommitAtSync: false)
    if let failure = answer.firstFailure {
      if !isBroken { try? rollback() }
      throw failure
    }
    // As in `pipelinedTransaction`: a warning is COMMIT's.
    guard notices.warningCount == warningsBefore else {
      throw PostgresError.commitUncertain("commit")
    }
  }

  /// What came back from a pipeline.
  struct PipelineAnswer {
    var statements: [Result<PostgresResult, PostgresError>] = []
    /// The first error anywhere: of preparing, of a statement, of COMMIT, of the end.
    var firstFailure: PostgresError?
    /// The error of the commit that the end of a pipeline makes when no transaction is open. It
    /// belongs to no statement.
    var endFailure: PostgresError?

    var withoutBegin: PostgresPipelineResults {
      PostgresPipelineResults(results: Array(statements.dropFirst()))
    }
  }

  private func openPipeline() throws(PostgresError) -> PostgresPipeline {
    try checkReady("pipeline")
    guard unsafe PQenterPipelineMode(handle) == 1 else {
      throw PostgresError(.misuse, "a pipeline is already open", statement: "pipeline")
    }
    return PostgresPipeline(connection: self)
  }

  /// Gets rid of a pipeline that will not be completed.
  ///
  /// Its end is also a commit when no transaction is open, and part of it may have been sent. Then
  /// only losing the connection undoes it.
  private func abandon(_ pipeline: PostgresPipeline, commitsAtSync: Bool) {
    guard !isBroken, !commitsAtSync || pipeline.expected.isEmpty else {
      isBroken = true
      return
    }
    do throws(PostgresError) {
      _ = try closePipeline(pipeline, mayCommitAtSync: false)
      if openTransaction != nil { try rollback() }
    } catch {
      isBroken = true
    }
  }

  private func closePipeline(
    _ pipeline: PostgresPipeline, mayCommitAtSync: Bool
  ) throws(PostgresError) -> PipelineAnswer {
    guard unsafe PQpipelineSync(handle) == 1 else { throw sendFailure("pipeline") }
    var reader = PipelineReader(
      connection: self, mayCommitAtSync: mayCommitAtSync && openTransaction?.readOnly != true)
    let answer = try reader.read(pipeline.expected)
    if !isBroken {
      try finishCancelling("pipeline")
      if unsafe PQexitPipelineMode(handle) != 1 { isBroken = true }
    }
    return answer
  }
}
