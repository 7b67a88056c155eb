internal import CLibpq

extension PostgresConnection {
  /// Runs a statement, preparing it on its first use.
  ///
  /// Outside a transaction the statement commits by itself, so that a connection lost meanwhile
  /// leaves its outcome unknown.
  @discardableResult
  public func execute(
    _ statement: PostgresStatement, _ parameters: PostgresParameters
  ) throws(PostgresError) -> PostgresResult {
    try checkReady(statement.name)
    let entry = try prepare(statement, parameters)
    return try run(statement.name, mayCommit: !isInTransaction) {
      sendPrepared(entry.serverName, parameters)
    }
  }

  @discardableResult
  public func execute<each Value: PostgresEncodable>(
    _ statement: PostgresStatement, _ values: repeat each Value
  ) throws(PostgresError) -> PostgresResult {
    try execute(statement, PostgresParameters(repeat each values))
  }

  /// Runs SQL text of one or more statements, without parameters and without results. For
  /// migrations and administration.
  ///
  /// Several statements without BEGIN are one transaction. COPY is not for scripts. Warnings are
  /// not failures here; see `takeNotices()`.
  public func execute(
    script: String, name: String = "script"
  ) throws(PostgresError) {
    try checkReady(name)
    try run(name, mayCommit: true, warningsCount: false) {
      unsafe PQsendQuery(handle, script) == 1
    }
  }

  /// Sends, and reads to the end of the answer.
  ///
  /// A statement that commits by itself reports success before its commit and any failure of the
  /// commit after it. So an error anywhere in the answer is the outcome.
  @discardableResult
  func run(
    _ statement: String, mayCommit: Bool, warningsCount: Bool = true, send: () -> Bool
  ) throws(PostgresError) -> PostgresResult {
    let mayCommit = mayCommit && openTransaction?.readOnly != true
    let warningsBefore = notices.warningCount
    guard send() else { throw sendFailure(statement) }
    var last: PostgresResult?
    var failure: PostgresError?
    do throws(PostgresError) {
      while let result = try nextResult(statement) {
        if let error = self.failure(of: result, mayCommit: mayCommit) {
          failure = failure ?? error
          if isBroken { break }
        } else {
          last = result
        }
      }
      try finishCancelling(statement)
    } catch {
      throw error.withOutcomeUnknown(mayCommit)
    }
    if let failure { throw failure }
    guard let last else {
      isBroken = true
      throw PostgresError(
        .connectionLost, "the server sent no result", statement: statement,
        outcomeUnknown: mayCommit)
    }
    // A commit with a WARNING may not have reached the standby it was waiting for.
    if mayCommit, warningsCount, notices.warningCount != warningsBefore {
      throw PostgresError.commitUncertain(statement)
    }
    return last
  }

  /// The entry of a prepared statement.
  func prepare(
    _ statement: PostgresStatement, _ parameters: PostgresParameters
  ) throws(PostgresError) -> PreparedStatements.Entry {
    try check(parameters, statement)
    if let entry = try prepared.entry(for: statement, types: parameters.types) { return entry }
    let entry = prepared.newEntry(for: statement, types: parameters.types)
    try run(statement.name, mayCommit: false) { sendPrepare(entry) }
    prepared.insert(entry, for: statement)
    return entry
  }

  func check(
    _ parameters: PostgresParameters, _ statement: PostgresStatement
  ) throws(PostgresError) {
    if let index = parameters.invalidIndex {
      throw PostgresError(
        .misuse, "PostgreSQL has no such value as parameter \(index + 1)",
        statement: statement.name)
    }
    guard parameters.count <= 65_535, parameters.buffer.count <= 1 << 30 else {
      throw PostgresError(
        .misuse, "too many parameters, or over 1 GiB of them", statement: statement.name)
    }
  }

  func sendPrepare(_ entry: PreparedStatements.Entry) -> Bool {
    let types = entry.types.map(\.rawValue)
    return unsafe types.withUnsafeBufferPointer { types in
      unsafe PQsendPrepare(
        handle, entry.serverName, entry.sql, Int32(types.count), types.baseAddress) == 1
    }
  }

  func sendPrepared(_ name: String, _ parameters: PostgresParameters) -> Bool {
    let count = parameters.count
    return unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: count) {
      values in
      unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: count * 2) { numbers in
        unsafe parameters.buffer.bytes.withUnsafeBytes { bytes in
          for (index, entry) in parameters.entries.enumerated() {
            // A value of no bytes still needs an address: a null pointer would be NULL.
            let start = unsafe (bytes.baseAddress ?? emptyValue) + entry.offset
            unsafe values.initializeElement(
              at: index, to: entry.length < 0 ? nil : start.assumingMemoryBound(to: CChar.self))
            unsafe numbers.initializeElement(at: index, to: Int32(max(0, entry.length)))
            unsafe numbers.initializeElement(at: count + index, to: 1)
          }
          return unsafe PQsendQueryPrepared(
            handle, name, Int32(count), values.baseAddress, numbers.baseAddress,
            numbers.baseAddress.map { unsafe $0 + count }, 1) == 1
        }
      }
    }
  }

  func sendFailure(_ statement: String) -> PostgresError {
    isBroken = true
    return PostgresError(.connectionLost, "the statement could not be sent", statement: statement)
  }
}

/// An address for values of no bytes; never read.
nonisolated(unsafe) private let emptyValue = UnsafeRawPointer(
  UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))
