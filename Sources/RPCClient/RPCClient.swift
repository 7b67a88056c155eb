public import NIOCore
import NIOPosix
public import NIOSSL
public import RPCWire
public import SwiftProtobuf
import Synchronization

/// A gRPC client over one HTTP/2 connection, made when first needed and again after it was lost.
///
/// Small on purpose: no name resolution, no balancing, no retries. It is what command line tools
/// and measurements need.
public final class RPCClient: Sendable {
  public struct Configuration: Sendable {
    public var host: String
    public var port: Int
    /// `nil` speaks plaintext HTTP/2 with prior knowledge.
    public var tls: TLSConfiguration?
    /// The name in the server's certificate; the host when `nil`.
    public var serverName: String?
    /// Sent with every call as `authorization: Bearer …`.
    public var bearerToken: String?
    public var connectTimeout = Duration.seconds(10)
    public var messageBytes = 64 * 1024 * 1024
    public var eventLoopGroup: any EventLoopGroup

    public init(
      host: String, port: Int, tls: TLSConfiguration? = nil,
      eventLoopGroup: (any EventLoopGroup)? = nil
    ) {
      self.host = host
      self.port = port
      self.tls = tls
      self.eventLoopGroup = eventLoopGroup ?? MultiThreadedEventLoopGroup.singleton
    }
  }

  /// A single answer with the metadata around it.
  public struct Reply<Response: Message & Sendable>: Sendable {
    public let message: Response
    public let headers: Metadata
    public let trailers: Metadata
  }

  private enum Link {
    case none
    case connecting(Task<ClientConnection, any Error>)
    case up(ClientConnection)
    case closed
  }

  let configuration: Configuration
  private let link = Mutex<Link>(.none)

  public init(_ configuration: Configuration) { self.configuration = configuration }

  /// One request, one answer.
  ///
  /// - Parameter timeout: sent to the server and kept here as well; `nil` waits for ever.
  /// - Throws: `RPCClientError`; `CancellationError` when the task was cancelled.
  public func unary<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, _ request: Request, metadata: Metadata = Metadata(),
    timeout: Duration? = nil, returning: Response.Type = Response.self
  ) async throws -> Response {
    try await unaryReply(path, request, metadata: metadata, timeout: timeout).message
  }

  /// `unary` with the metadata of the reply.
  public func unaryReply<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, _ request: Request, metadata: Metadata = Metadata(),
    timeout: Duration? = nil, returning: Response.Type = Response.self
  ) async throws -> Reply<Response> {
    let call = try await start(path, request, metadata, timeout)
    guard let bytes = try await call.next() else {
      throw RPCClientError(.internal, "the server sent no message with its success")
    }
    let message: Response = try decodeAnswer(bytes)
    guard try await call.next() == nil else {
      call.cancel()
      throw RPCClientError(.internal, "the server sent several messages to a unary call")
    }
    let (headers, trailers) = call.metadata
    return Reply(message: message, headers: headers, trailers: trailers)
  }

  /// One request, any number of answers. Leaving the loop over them cancels the call.
  public func serverStreaming<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, _ request: Request, metadata: Metadata = Metadata(),
    timeout: Duration? = nil, returning: Response.Type = Response.self
  ) async throws -> ResponseStream<Response> {
    ResponseStream(call: try await start(path, request, metadata, timeout))
  }

  /// Ends the connection; calls in flight fail with `unavailable`.
  public func close() async {
    let link = link.withLock { link in
      defer { link = .closed }
      return link
    }
    switch link {
    case .up(let connection): await connection.close()
    case .connecting(let task): await (try? task.value)?.close()
    case .none, .closed: break
    }
  }

  private func start<Request: Message & Sendable>(
    _ path: String, _ request: Request, _ metadata: Metadata, _ timeout: Duration?
  ) async throws -> ClientCall {
    let bytes: [UInt8]
    do {
      bytes = try request.serializedBytes()
    } catch {
      throw RPCClientError(.internal, "the request cannot be encoded")
    }
    let connection = try await connection()
    let call = ClientCall(
      connection: connection, limit: configuration.messageBytes,
      fields: RequestFields.make(
        path: path, metadata: metadata, timeout: timeout, configuration: configuration),
      message: bytes)
    connection.start(call, timeout: timeout)
    return call
  }

  private func connection() async throws -> ClientConnection {
    let task: Task<ClientConnection, any Error>? = try link.withLock { link in
      switch link {
      case .up(let connection) where connection.isUsable: return nil
      case .connecting(let task): return task
      case .closed: throw RPCClientError(.unavailable, "the client was closed")
      case .up, .none:
        let task = Task { [configuration] in try await ClientConnection.open(configuration) }
        link = .connecting(task)
        return task
      }
    }
    guard let task else {
      if case .up(let connection) = link.withLock({ $0 }) { return connection }
      return try await connection()
    }
    do {
      let connection = try await task.value
      link.withLock { link in
        if case .connecting = link { link = .up(connection) }
      }
      return connection
    } catch {
      link.withLock { link in
        if case .connecting = link { link = .none }
      }
      throw RPCClientError(
        .unavailable,
        "cannot connect to \(configuration.host):\(configuration.port); is the server running?")
    }
  }
}

func decodeAnswer<M: Message>(_ bytes: [UInt8]) throws(RPCClientError) -> M {
  do {
    return try M(serializedBytes: bytes)
  } catch {
    throw RPCClientError(.internal, "the answer cannot be read as \(M.protoMessageName)")
  }
}

/// The answers of a server-streaming call, to be iterated once.
///
/// Each is taken out of the flow-control window when it is iterated, so a slow reader slows the
/// server.
public struct ResponseStream<Response: Message & Sendable>: AsyncSequence, Sendable {
  public typealias Element = Response

  fileprivate let holder: Holder

  /// Cancels the call when the last copy of the stream is gone.
  fileprivate final class Holder: Sendable {
    let call: ClientCall
    init(_ call: ClientCall) { self.call = call }
    deinit { call.cancel() }
  }

  init(call: ClientCall) { holder = Holder(call) }

  /// The metadata so far: headers with the first answer, trailers at the end.
  public var metadata: (headers: Metadata, trailers: Metadata) { holder.call.metadata }

  /// Tells the server that no more is wanted.
  public func cancel() { holder.call.cancel() }

  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let holder: Holder

    public mutating func next() async throws -> Response? {
      guard let bytes = try await holder.call.next() else { return nil }
      return try decodeAnswer(bytes)
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(holder: holder) }
}
