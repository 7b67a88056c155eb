import HTTP2
import RPCWire
import Synchronization

/// One call of the client: its task on one side, its stream on the event loop on the other.
///
/// INVARIANT: the variables under "On the loop" are touched on the connection's loop only; what
/// both sides need is behind `shared`, whose lock is never held across an `await`.
final class ClientCall: @unchecked Sendable {
  typealias Answer = (bytes: [UInt8], cost: Int)

  private struct Shared {
    var answers: [Answer] = []
    var nextAnswer = 0
    /// Set at the end: `nil` inside for success.
    var outcome: RPCClientError??
    var isCancelled = false
    var waiter: CheckedContinuation<Answer?, any Error>?
    var headers = Metadata()
    var trailers = Metadata()
  }

  let connection: ClientConnection
  let fields: HTTP2Fields
  let message: [UInt8]
  private let shared = Mutex(Shared())

  // MARK: On the loop

  var stream: HTTP2Stream?
  private var deframer: MessageDeframer

  init(connection: ClientConnection, limit: Int, fields: HTTP2Fields, message: [UInt8]) {
    self.connection = connection
    self.fields = fields
    self.message = message
    deframer = MessageDeframer(maximumBytes: limit)
  }

  var metadata: (headers: Metadata, trailers: Metadata) {
    shared.withLock { ($0.headers, $0.trailers) }
  }

  // MARK: The task's side

  private enum Taken {
    case now(Answer?)
    case later
  }

  /// The next answer; `nil` after a successful end.
  func next() async throws -> [UInt8]? {
    var taken = try shared.withLock { try Self.take(&$0) }
    if case .later = taken {
      taken = .now(
        try await withTaskCancellationHandler {
          try await withCheckedThrowingContinuation { wait($0) }
        } onCancel: {
          cancel()
        })
    }
    guard case .now(let answer) = taken, let answer else { return nil }
    connection.enqueue(.taken(self, answer.cost))
    return answer.bytes
  }

  private func wait(_ continuation: CheckedContinuation<Answer?, any Error>) {
    let result: Result<Taken, any Error> = shared.withLock { shared in
      let taken = Result { try Self.take(&shared) }
      if case .success(.later) = taken { shared.waiter = continuation }
      return taken
    }
    switch result {
    case .success(.now(let answer)): continuation.resume(returning: answer)
    case .success(.later): break
    case .failure(let error): continuation.resume(throwing: error)
    }
  }

  private static func take(_ shared: inout Shared) throws -> Taken {
    if shared.isCancelled { throw CancellationError() }
    if shared.nextAnswer < shared.answers.count {
      defer {
        shared.nextAnswer += 1
        if shared.nextAnswer == shared.answers.count {
          shared.answers.removeAll(keepingCapacity: true)
          shared.nextAnswer = 0
        }
      }
      return .now(shared.answers[shared.nextAnswer])
    }
    guard let outcome = shared.outcome else { return .later }
    if let error = outcome { throw error }
    return .now(nil)
  }

  /// From any thread; without effect after the end.
  func cancel() {
    let (waiter, isFirst) = shared.withLock { shared in
      let isFirst = !shared.isCancelled && shared.outcome == nil
      if shared.outcome == nil { shared.isCancelled = true }
      defer { shared.waiter = nil }
      return (shared.waiter, isFirst)
    }
    waiter?.resume(throwing: CancellationError())
    if isFirst { connection.enqueue(.cancel(self)) }
  }

  // MARK: The loop's side

  func receivedHeaders(_ stream: HTTP2Stream) {
    let metadata = Self.metadata(of: stream.headers)
    shared.withLock { $0.headers = metadata }
  }

  func received(_ bytes: [UInt8]) -> RPCClientError? {
    var answers: [Answer] = []
    let before = deframer.pendingCount
    do throws(WireFault) {
      try deframer.feed(bytes) { message in
        answers.append((message.bytes, message.bytes.count + 5))
      }
    } catch {
      return RPCClientError(error.code, error.message)
    }
    var now = bytes.count
    if !answers.isEmpty {
      // What the first message had pending was given back to flow control before.
      answers[0].cost -= before
      now -= answers.reduce(0) { $0 + $1.cost }
    }
    if let stream, now > 0 { connection.session?.consume(now, of: stream) }
    for answer in answers { deliver(answer) }
    return nil
  }

  private func deliver(_ answer: Answer) {
    let waiter = shared.withLock { shared in
      if shared.waiter == nil { shared.answers.append(answer) }
      defer { shared.waiter = nil }
      return shared.waiter
    }
    waiter?.resume(returning: answer)
  }

  /// The server ended its side: the status stands in the trailers, or in the headers when they
  /// are all there is.
  func receivedEnd(_ stream: HTTP2Stream) {
    let list = stream.trailers.count > 0 ? stream.trailers : stream.headers
    let trailers = Self.metadata(of: list)
    shared.withLock { $0.trailers = trailers }
    finish(Self.outcome(list, headers: stream.headers, trailers: trailers))
  }

  private static func outcome(
    _ list: HTTP2Fields, headers: HTTP2Fields, trailers: Metadata
  ) -> RPCClientError? {
    guard let text = list.first("grpc-status") else {
      let status = headers.first(":status").flatMap { ASCII.decimal($0, maximumDigits: 3) } ?? 0
      return RPCClientError(
        RPCCode(httpStatusWithoutGRPCStatus: Int(status)),
        "the server answered HTTP \(status) without a gRPC status", trailers: trailers)
    }
    let number = ASCII.decimal(text, maximumDigits: 3) ?? 2
    let code = RPCCode(rawValue: UInt8(clamping: number)) ?? .unknown
    guard code != .ok else { return nil }
    let message = list.first("grpc-message").map {
      String(decoding: PercentCoding.decode($0), as: UTF8.self)
    }
    let details = list.first("grpc-status-details-bin").flatMap { Base64.decode($0) }
    return RPCClientError(
      code, message ?? "", details: details.map(StatusMessage.decodeDetails(_:)) ?? [],
      trailers: trailers)
  }

  /// The first outcome counts.
  func finish(_ outcome: RPCClientError?) {
    let waiter = shared.withLock { shared -> CheckedContinuation<Answer?, any Error>? in
      guard shared.outcome == nil else { return nil }
      shared.outcome = .some(outcome)
      defer { shared.waiter = nil }
      return shared.waiter
    }
    if let outcome {
      waiter?.resume(throwing: outcome)
    } else {
      waiter?.resume(returning: nil)
    }
  }

  private static func metadata(of fields: HTTP2Fields) -> Metadata {
    var metadata = Metadata()
    for index in 0..<fields.count {
      let name = fields.name(index)
      guard !Metadata.isReserved(name) else { continue }
      let value = fields.value(index)
      if Metadata.isBinary(name: name) {
        guard let bytes = Base64.decode(value) else { continue }
        metadata.entries.append(.init(name: Array(name), value: bytes))
      } else {
        metadata.entries.append(.init(name: Array(name), value: Array(value)))
      }
    }
    return metadata
  }
}
