internal import CLibpq
internal import Glibc

extension PostgresConnection {
  /// Refuses what could not work, before anything is sent.
  func checkReady(_ statement: String) throws(PostgresError) {
    if let deadline, deadline.isOver {
      try finishCancelling(statement)
      throw PostgresError(.deadlineExceeded, "the deadline has passed", statement: statement)
    }
    guard !isBroken else {
      throw PostgresError(.connectionLost, "the connection is lost", statement: statement)
    }
  }

  /// The next result of what was sent, `nil` at the end of a statement's results.
  ///
  /// A connection that breaks shows as an error result without SQLSTATE.
  /// - Throws: when the server stays silent, or does not react to a cancellation.
  func nextResult(_ statement: String) throws(PostgresError) -> PostgresResult? {
    try waitForInput(statement) { unsafe PQisBusy(handle) == 0 }
    guard let pointer = unsafe PQgetResult(handle) else { return nil }
    return unsafe PostgresResult(owning: pointer, statement: statement)
  }

  /// Sends what is buffered and takes in what comes, until `isDone`. It also returns when the
  /// connection has failed, because libpq then has an error to hand out at once.
  ///
  /// Sending and receiving go side by side: a server that cannot get rid of its results would
  /// otherwise stop reading, and both would wait for ever.
  func waitForInput(
    _ statement: String, until isDone: () -> Bool
  ) throws(PostgresError) {
    while true {
      let flushed = unsafe PQflush(handle)
      if flushed < 0 || isDone() { return }
      let events = Int16(POLLIN) | (flushed > 0 ? Int16(POLLOUT) : 0)
      guard try poll(events, statement) else { continue }
      if unsafe PQconsumeInput(handle) == 0 { return }
    }
  }

  /// Negative when there is none.
  var socketDescriptor: Int32 { unsafe PQsocket(handle) }

  /// Waits for the socket.
  /// - Returns: `false` when it should be asked again.
  func poll(_ events: Int16, _ statement: String) throws(PostgresError) -> Bool {
    let socket = socketDescriptor
    guard socket >= 0 else { return true }
    let limit = deadline?.remaining(responseTimeout) ?? responseTimeout
    let end = ContinuousClock.now + limit
    var descriptor = pollfd(fd: socket, events: events, revents: 0)
    var count: Int32
    repeat {
      // A read looks up from time to time, whether it is to end before its deadline.
      let rest = max(.zero, end - ContinuousClock.now)
      let wait = deadline == nil ? rest : min(rest, ReadStop.interval)
      count = unsafe Glibc.poll(&descriptor, 1, wait.pollMilliseconds)
    } while count == 0 && ContinuousClock.now < end && deadline?.isOver != true
    if count > 0 { return true }
    if count < 0 && errno == EINTR { return false }
    guard let deadline, deadline.isOver else {
      isBroken = true
      throw PostgresError(.connectionLost, "the server does not answer", statement: statement)
    }
    if !deadline.wasCancelled {
      unsafe deadline.cancel(PQgetCancel(handle))
      return false
    }
    isBroken = true
    throw PostgresError(
      .deadlineExceeded, "the server did not react to the cancellation", statement: statement)
  }

  /// Waits until a cancellation that was asked for has been delivered, so that it cannot strike the
  /// next statement.
  func finishCancelling(_ statement: String) throws(PostgresError) {
    // A connection that is given up takes no next statement.
    guard let deadline, deadline.wasCancelled, !isBroken else { return }
    guard deadline.waitForCancellation() else {
      isBroken = true
      throw PostgresError(
        .deadlineExceeded, "the cancellation could not be delivered", statement: statement)
    }
  }

  /// Whether an idle connection is still good. A server that went away while nothing was asked of
  /// it is noticed here rather than by the next statement.
  public func isAlive() -> Bool {
    guard !isBroken else { return false }
    let socket = socketDescriptor
    guard socket >= 0 else { return false }
    var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    // Something may have come unasked: a notice, a changed parameter, or the server's last word and
    // then the end of the stream, which shows only once all before it is read.
    while unsafe Glibc.poll(&descriptor, 1, 0) != 0 {
      guard unsafe PQconsumeInput(handle) == 1 else {
        isBroken = true
        return false
      }
      _ = unsafe PQisBusy(handle)
    }
    let isGood = unsafe PQstatus(handle) == CONNECTION_OK
    let isIdle = unsafe PQtransactionStatus(handle) == PQTRANS_IDLE
    isBroken = !isGood || !isIdle || notices.sessionHasEnded
    return !isBroken
  }
}

extension Duration {
  /// Rounded up, so that a wait is never cut short to zero, and within what poll takes.
  fileprivate var pollMilliseconds: Int32 {
    let (seconds, attoseconds) = components
    guard seconds < 1_000_000 else { return 1_000_000_000 }
    return max(
      0, Int32(seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
  }
}
