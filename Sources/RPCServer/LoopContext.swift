import HTTP2
import Logging
import NIOCore
import Synchronization

/// What a handler's task asks of the loop that owns its call.
enum LoopOperation {
  case sendHeaders(ServerCall)
  case message(ServerCall, EncodedMessage)
  /// The task is over: the last message of a successful call, if any, or its error.
  case finished(ServerCall, last: EncodedMessage?, error: RPCError?)
  /// A reply was given that is made on the loop.
  case answered(OwedAnswer)
  /// A page's handler returned; `nil` when it failed.
  case page(PageExchange, PageResponse?)
  /// The handler took request messages that occupied this many bytes of the window.
  case taken(ServerCall, bytes: Int)
}

/// What all connections of one event loop share.
///
/// Handlers run elsewhere and come back through one queue: the first entry schedules one turn,
/// which takes everything and flushes each touched connection once. A turn per call would cost a
/// wake-up and a write each.
///
/// INVARIANT: everything but `inbox` is touched on `eventLoop` only.
final class LoopContext: @unchecked Sendable {
  let eventLoop: any EventLoop
  let server: ServerCore

  private struct Inbox {
    var operations: [LoopOperation] = []
    /// A turn is under way or will come, and takes what is added now.
    var isAwaited = false
  }
  private let inbox = Mutex(Inbox())
  private var touched: [any ServerConnection] = []
  private var wheel: DeadlineWheel<ServerCall>
  private var wheelIsTurning = false
  private(set) var connections: [ObjectIdentifier: any ServerConnection] = [:]
  private var isTicking = false

  init(eventLoop: any EventLoop, server: ServerCore) {
    self.eventLoop = eventLoop
    self.server = server
    wheel = DeadlineWheel(now: RPCClock.now())
  }

  /// From any thread.
  func enqueue(_ operation: LoopOperation) {
    let isFirst = inbox.withLock { inbox in
      inbox.operations.append(operation)
      defer { inbox.isAwaited = true }
      return !inbox.isAwaited
    }
    if isFirst { eventLoop.execute { self.runOperations() } }
  }

  /// The same for several, with one wake-up.
  func enqueue(_ operations: [LoopOperation]) {
    let isFirst = inbox.withLock { inbox in
      inbox.operations.append(contentsOf: operations)
      defer { inbox.isAwaited = true }
      return !inbox.isAwaited
    }
    if isFirst { eventLoop.execute { self.runOperations() } }
  }

  /// From any thread: a handler's answer, which may be one of many.
  func enqueueAnswer(_ operation: LoopOperation) {
    if !AnswersTogether.take(operation, for: self) { enqueue(operation) }
  }

  /// How often one turn looks for what its own operations led to, before sockets have their turn.
  private static let roundsInTurn = 8

  private func runOperations() {
    for _ in 0..<Self.roundsInTurn {
      let isEmpty = inbox.withLock { inbox in
        swap(&inbox.operations, &batch)
        inbox.isAwaited = !batch.isEmpty
        return batch.isEmpty
      }
      if isEmpty { return flushTouched() }
      for operation in batch { run(operation) }
      batch.removeAll(keepingCapacity: batch.capacity <= 4_096)
    }
    flushTouched()
    eventLoop.execute { self.runOperations() }
  }
  private var batch: [LoopOperation] = []

  private func run(_ operation: LoopOperation) {
    switch operation {
    case .sendHeaders(let call): call.sendHeadersOnLoop()
    case .message(let call, let message): call.sendOnLoop(message)
    case .finished(let call, let last, let error): call.taskEnded(last: last, error: error)
    case .answered(let answer): answer.call.finish(answer)
    case .page(let exchange, let response): exchange.finish(response)
    case .taken(let call, let bytes): call.takenOnLoop(bytes)
    }
  }

  /// Runs a handler's beginning; an answer that it gives before it returns is written at once, since
  /// whoever brought the request flushes.
  func starting(_ call: ServerCall, _ body: () -> Void) {
    startingCall = call
    body()
    startingCall = nil
  }
  private var startingCall: ServerCall?

  /// From any thread.
  func isStarting(_ call: ServerCall) -> Bool {
    eventLoop.inEventLoop && startingCall === call
  }

  /// The `date` header, made once a second.
  func date() -> String {
    let now = RPCClock.now()
    if now &- dateMadeAt >= 1_000_000_000 || dateText.isEmpty {
      dateText = HTTPDate.now()
      dateMadeAt = now
    }
    return dateText
  }
  private var dateText = ""
  private var dateMadeAt: UInt64 = 0

  // MARK: Flushing

  /// Notes that a connection has something to send at the end of this turn.
  func touch(_ connection: any ServerConnection) {
    guard !connection.isTouched else { return }
    connection.isTouched = true
    touched.append(connection)
  }

  func flushTouched() {
    while let connection = touched.popLast() {
      connection.isTouched = false
      connection.flush()
    }
  }

  // MARK: Deadlines

  func addDeadline(of call: ServerCall) {
    wheel.add(call)
    turnWheel()
  }

  func removeDeadline(of call: ServerCall) { wheel.remove(call) }

  private func turnWheel() {
    guard !wheelIsTurning, wheel.count > 0 else { return }
    wheelIsTurning = true
    eventLoop.scheduleTask(in: .nanoseconds(Int64(DeadlineWheel<ServerCall>.tick))) {
      self.wheelIsTurning = false
      for call in self.wheel.sweep(now: RPCClock.now()) { call.deadlineExpired() }
      self.flushTouched()
      self.turnWheel()
    }
  }

  // MARK: Connections

  func add(_ connection: any ServerConnection) {
    connections[ObjectIdentifier(connection)] = connection
    server.openConnections.wrappingAdd(1, ordering: .relaxed)
    guard !isTicking else { return }
    isTicking = true
    tick()
  }

  func remove(_ connection: any ServerConnection) {
    guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    server.openConnections.wrappingSubtract(1, ordering: .relaxed)
  }

  func drainAll() {
    for connection in Array(connections.values) {
      connection.drain()
      touch(connection)
    }
    flushTouched()
  }

  func closeAll() {
    for connection in Array(connections.values) { connection.closeNow() }
  }

  /// Looks after every connection once a second, as long as there are any: all the slow timers
  /// of a connection are plain comparisons in `check`.
  private func tick() {
    guard !connections.isEmpty else {
      isTicking = false
      return
    }
    eventLoop.scheduleTask(in: .seconds(1)) {
      let now = RPCClock.now()
      for connection in Array(self.connections.values) { connection.check(now: now) }
      self.flushTouched()
      self.tick()
    }
  }
}

/// A connection as its loop sees it.
protocol ServerConnection: AnyObject {
  var isTouched: Bool { get set }
  func flush()
  /// Compares the connection's timers with the clock.
  func check(now: UInt64)
  /// Begins the graceful end.
  func drain()
  /// Ends at once; handlers are cancelled.
  func closeNow()
}
