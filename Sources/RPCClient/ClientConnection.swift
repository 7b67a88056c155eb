import HTTP2
import NIOCore
import NIOPosix
import NIOSSL
import RPCWire
import Synchronization

/// The client's connection on its event loop.
///
/// Tasks reach it through one queue, as on the server: the first entry schedules one turn, which
/// submits everything and writes once.
///
/// INVARIANT: everything but `inbox` and `usable` is touched on `eventLoop` only.
final class ClientConnection: HTTP2ConnectionDelegate, @unchecked Sendable {
  enum Operation {
    case start(ClientCall, timeout: Duration?)
    case taken(ClientCall, Int)
    case cancel(ClientCall)
    case expire(ClientCall)
  }

  let eventLoop: any EventLoop
  private let inbox = Mutex<[Operation]>([])
  private let usable = Atomic<Bool>(true)
  private var handler: HTTP2ChannelHandler?
  private var batch: [Operation] = []

  init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  static func open(_ configuration: RPCClient.Configuration) async throws -> ClientConnection {
    let loop = configuration.eventLoopGroup.next()
    let connection = ClientConnection(eventLoop: loop)
    let context = try configuration.tls.map { tls in
      var tls = tls
      tls.applicationProtocols = ["h2"]
      tls.minimumTLSVersion = .tlsv12
      return try NIOSSLContext(configuration: tls)
    }
    let nanoseconds = RequestFields.nanoseconds(configuration.connectTimeout)
    _ = try await ClientBootstrap(group: loop)
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .connectTimeout(.nanoseconds(Int64(clamping: nanoseconds)))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context {
            // An address is no name that a certificate could be asked for by SNI.
            let name = configuration.serverName ?? configuration.host
            let isName = name.contains { $0.isLetter }
            try channel.pipeline.syncOperations.addHandler(
              NIOSSLClientHandler(context: context, serverHostname: isName ? name : nil))
          }
          var http2 = HTTP2Configuration()
          http2.streamWindow = 4 * 1024 * 1024
          http2.connectionWindow = 16 * 1024 * 1024
          try channel.pipeline.syncOperations.addHandler(
            HTTP2ChannelHandler(
              role: .client, configuration: http2, delegate: connection))
        }
      }
      .connect(host: configuration.host, port: configuration.port).get()
    return connection
  }

  var isUsable: Bool { usable.load(ordering: .relaxed) }

  var session: HTTP2Session? { handler?.session }

  func start(_ call: ClientCall, timeout: Duration?) { enqueue(.start(call, timeout: timeout)) }

  func close() async {
    usable.store(false, ordering: .relaxed)
    try? await eventLoop.submit {
      self.session?.submitGoAway()
      self.handler?.flush()
      self.handler?.close()
    }.get()
  }

  // MARK: The queue

  func enqueue(_ operation: Operation) {
    let isFirst = inbox.withLock { inbox in
      inbox.append(operation)
      return inbox.count == 1
    }
    if isFirst { eventLoop.execute { self.runOperations() } }
  }

  private func runOperations() {
    inbox.withLock { swap(&$0, &batch) }
    for operation in batch {
      switch operation {
      case .start(let call, let timeout): begin(call, timeout)
      case .taken(let call, let count):
        if let stream = call.stream { session?.consume(count, of: stream) }
      case .cancel(let call): reset(call)
      case .expire(let call):
        call.finish(RPCClientError(.deadlineExceeded, "the call took longer than allowed"))
        reset(call)
      }
    }
    batch.removeAll(keepingCapacity: true)
    handler?.flush()
  }

  private func begin(_ call: ClientCall, _ timeout: Duration?) {
    guard let session, let stream = session.request(.built(call.fields), endStream: false) else {
      return call.finish(RPCClientError(.unavailable, "the connection was lost; try again"))
    }
    stream.owner = call
    call.stream = stream
    session.write(MessageFraming.prefix(flags: 0, length: call.message.count), to: stream)
    session.write(call.message, to: stream)
    session.finish(stream, trailers: nil)
    if let timeout {
      let nanoseconds = Int64(clamping: RequestFields.nanoseconds(timeout))
      eventLoop.scheduleTask(in: .nanoseconds(nanoseconds)) { [weak call] in
        guard let call, call.stream != nil else { return }
        self.enqueue(.expire(call))
      }
    }
  }

  private func reset(_ call: ClientCall) {
    guard let stream = call.stream else { return }
    session?.reset(stream, .cancel)
  }

  // MARK: Events

  func http2Started(_ connection: HTTP2ChannelHandler) { handler = connection }

  func http2Ended(_ connection: HTTP2ChannelHandler) {
    usable.store(false, ordering: .relaxed)
    handler = nil
  }

  func http2Event(_ event: HTTP2Event, on connection: HTTP2ChannelHandler) {
    switch event {
    case .headers(let stream):
      (stream.owner as? ClientCall)?.receivedHeaders(stream)
    case .data(let stream):
      receive(stream)
    case .end(let stream):
      (stream.owner as? ClientCall)?.receivedEnd(stream)
    case .closed(let stream, let code):
      closed(stream, code)
    case .goAway:
      usable.store(false, ordering: .relaxed)
    case .drained, .pingAcknowledged, .settingsAcknowledged:
      break
    }
  }

  private func receive(_ stream: HTTP2Stream) {
    var bytes: [UInt8] = []
    swap(&bytes, &stream.inbound)
    guard !bytes.isEmpty, let call = stream.owner as? ClientCall else { return }
    guard let error = call.received(bytes) else { return }
    call.finish(error)
    session?.reset(stream, .cancel)
  }

  private func closed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard let call = stream.owner as? ClientCall else { return }
    stream.owner = nil
    call.stream = nil
    let status: RPCCode =
      switch code {
      case .refusedStream: .unavailable
      case .cancel: handler == nil || session == nil ? .unavailable : .cancelled
      case .enhanceYourCalm: .resourceExhausted
      case .inadequateSecurity: .permissionDenied
      default: .internal
      }
    // After a status this changes nothing: the first outcome counts.
    call.finish(
      RPCClientError(status, "the stream ended without a status, code \(code.rawValue)"))
  }
}
