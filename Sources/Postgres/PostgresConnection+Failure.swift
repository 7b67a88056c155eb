internal import CLibpq

extension PostgresConnection {
  /// The error that a result stands for, `nil` when it is a success.
  /// - Parameter mayCommit: whether the statement could have committed something before it failed.
  func failure(of result: PostgresResult, mayCommit: Bool) -> PostgresError? {
    switch unsafe PQresultStatus(result.pointer) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY, PGRES_PIPELINE_SYNC:
      return nil
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      isBroken = true
      return PostgresError(
        .misuse, "COPY needs copyIn or copyOut", statement: result.statement)
    case PGRES_PIPELINE_ABORTED:
      return PostgresError(
        .server, "not run, because an earlier statement failed", statement: result.statement)
    default:
      break
    }
    guard let sqlState = unsafe DiagnosticField.sqlState.text(of: result.pointer) else {
      isBroken = true
      return PostgresError(
        .connectionLost, "the connection was lost", statement: result.statement,
        outcomeUnknown: mayCommit)
    }
    return serverFailure(of: result, sqlState: sqlState, mayCommit: mayCommit)
  }

  private func serverFailure(
    of result: PostgresResult, sqlState: String, mayCommit: Bool
  ) -> PostgresError {
    let message = unsafe DiagnosticField.message.text(of: result.pointer) ?? ""
    var error = PostgresError(
      .server, ServerMessage.withoutValues(message, sqlState: sqlState),
      statement: result.statement)
    error.sqlState = sqlState
    error.severity = unsafe DiagnosticField.severity.text(of: result.pointer)
    error.constraint = unsafe DiagnosticField.constraint.text(of: result.pointer)
    error.table = unsafe DiagnosticField.table.text(of: result.pointer)
    if error.isStaleStatement { prepared.forget(result.statement) }
    if error.isQueryCanceled, deadline?.wasCancelled == true { error.kind = .deadlineExceeded }
    // The session ends with such an error, and it may come after the commit and before its report.
    // A session ended for idling had nothing under way.
    if error.severity == "FATAL" || error.severity == "PANIC" {
      isBroken = true
      error.outcomeUnknown = mayCommit && sqlState != "25P03"
    }
    // 40003 and 08007 are the standard's own words for an unknown outcome.
    if sqlState == "40003" || sqlState == "08007" { error.outcomeUnknown = mayCommit }
    // A standby was promoted elsewhere: another host of the conninfo may be the one to ask.
    if error.isReadOnly, openTransaction?.readOnly != true { needsReplacement = true }
    return error
  }
}

extension PostgresError {
  func withOutcomeUnknown(_ unknown: Bool) -> PostgresError {
    var copy = self
    copy.outcomeUnknown = copy.outcomeUnknown || (unknown && kind == .connectionLost)
    return copy
  }

  static func commitUncertain(_ statement: String) -> PostgresError {
    PostgresError(
      .commitUncertain, "the server warned while it committed", statement: statement,
      outcomeUnknown: true)
  }
}
