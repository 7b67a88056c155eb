internal import CLibpq
internal import Glibc

extension PostgresConnection {
  /// Sends rows by binary COPY.
  ///
  /// - Parameters:
  ///   - statement: `COPY … FROM STDIN (FORMAT binary)`. It is not prepared.
  ///   - body: writes the rows; when it throws, the server takes none of them.
  /// - Returns: how many rows the server took.
  @discardableResult
  public func copyIn(
    _ statement: PostgresStatement, _ body: (inout PostgresCopyWriter) throws -> Void
  ) throws -> Int {
    let mayCommit = !isInTransaction
    try startCopy(statement, expecting: PGRES_COPY_IN)
    var writer = PostgresCopyWriter(connection: self, statement: statement.name)
    do {
      try body(&writer)
      try writer.finish()
    } catch {
      try cancelCopyIn(statement.name)
      throw error
    }
    try endCopyIn(statement.name, reason: nil)
    return try readCopyEnd(statement.name, mayCommit: mayCommit)
  }

  /// Receives rows by binary COPY, one after the other.
  ///
  /// - Parameters:
  ///   - statement: `COPY (…) TO STDOUT (FORMAT binary)`. It is not prepared.
  ///   - body: gets each row. When it throws, the rest is not wanted: the statement is cancelled.
  /// - Returns: how many rows there were.
  @discardableResult
  public func copyOut(
    _ statement: PostgresStatement, _ body: (borrowing PostgresCopyRow) throws -> Void
  ) throws -> Int {
    try startCopy(statement, expecting: PGRES_COPY_OUT)
    var parser = CopyParser()
    do {
      while let chunk = unsafe try nextCopyData(statement.name) {
        defer { unsafe PQfreemem(UnsafeMutableRawPointer(mutating: chunk.baseAddress)) }
        parser.append(unsafe chunk.bytes)
        while let row = try parser.next() { try body(row) }
      }
    } catch {
      // The server may have gigabytes more to send. A new connection is cheaper than to read them.
      isBroken = true
      throw (error as? CopyParser.Malformed).map { _ in
        PostgresError(.decoding, "the COPY data are malformed", statement: statement.name)
      } ?? error
    }
    let count = try readCopyEnd(statement.name, mayCommit: false)
    guard parser.isAtEnd else {
      throw PostgresError(.decoding, "the COPY data end too early", statement: statement.name)
    }
    return count
  }

  /// Gives memory that was freed back to the system: what reading a large COPY needed on the way
  /// would otherwise stay in this process.
  public func returnFreedMemory() { malloc_trim(0) }

  private func startCopy(
    _ statement: PostgresStatement, expecting status: ExecStatusType
  ) throws(PostgresError) {
    let name = statement.name
    try checkReady(name)
    guard unsafe PQsendQuery(handle, statement.sql) == 1 else { throw sendFailure(name) }
    guard let result = try nextResult(name) else {
      throw PostgresError(.misuse, "the statement is empty", statement: name)
    }
    guard unsafe PQresultStatus(result.pointer) != status else { return }
    if let failure = failure(of: result, mayCommit: false) {
      if !isBroken { while try nextResult(name) != nil {} }
      throw failure
    }
    while try nextResult(name) != nil {}
    throw PostgresError(.misuse, "the statement is not a COPY of this direction", statement: name)
  }

  /// Hands rows to libpq, waiting while its buffer is full.
  func putCopyData(_ bytes: [UInt8], _ statement: String) throws(PostgresError) {
    let sent = unsafe bytes.withUnsafeBytes { bytes in
      unsafe PQputCopyData(
        handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
    }
    guard sent == 1 else { throw sendFailure(statement) }
    // Without this, libpq would keep all rows in memory. The server may also have begun to complain.
    while true {
      let flushed = unsafe PQflush(handle)
      guard flushed > 0 else { return }
      guard try poll(Int16(POLLIN | POLLOUT), statement) else { continue }
      if unsafe PQconsumeInput(handle) == 0 { return }
    }
  }

  private func endCopyIn(_ statement: String, reason: String?) throws(PostgresError) {
    let ended = unsafe PQputCopyEnd(handle, reason)
    guard ended == 1 else { throw sendFailure(statement) }
  }

  private func cancelCopyIn(_ statement: String) throws(PostgresError) {
    guard !isBroken else { return }
    try endCopyIn(statement, reason: "the client stopped")
    _ = try? readCopyEnd(statement, mayCommit: false)
  }

  /// The next stretch of COPY data, which the caller frees; `nil` at the end.
  @unsafe private func nextCopyData(
    _ statement: String
  ) throws(PostgresError) -> UnsafeRawBufferPointer? {
    while true {
      var buffer: UnsafeMutablePointer<CChar>?
      let count = unsafe PQgetCopyData(handle, &buffer, 1)
      if count > 0, let start = unsafe buffer {
        return unsafe UnsafeRawBufferPointer(start: start, count: Int(count))
      }
      guard count == 0 else { return nil }
      guard try poll(Int16(POLLIN), statement) else { continue }
      if unsafe PQconsumeInput(handle) == 0 { return nil }
    }
  }

  private func readCopyEnd(
    _ statement: String, mayCommit: Bool
  ) throws(PostgresError) -> Int {
    let warningsBefore = notices.warningCount
    let result = try run(statement, mayCommit: mayCommit) { true }
    if mayCommit, notices.warningCount != warningsBefore {
      throw PostgresError.commitUncertain(statement)
    }
    return result.affectedRows
  }
}
