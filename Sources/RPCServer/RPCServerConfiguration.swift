public import Logging
public import NIOSSL
public import RPCWire

/// Everything a server is told at its start; the defaults are safe ones.
public struct RPCServerConfiguration: Sendable {
  public var host: String
  /// 0 lets the system choose; `RPCServer.start()` returns the port bound.
  public var port: Int
  /// Event loops, one thread each.
  public var loops: Int
  public var limits = Limits()
  public var timers = Timers()
  public var keepalive = Keepalive()
  /// Certificate and trust; `nil` serves plaintext. Version, ciphers and ALPN are set here.
  public var tls: TLSConfiguration?
  /// A second listener without TLS, for health checks and neighbours on loopback.
  public var plaintextAddress: (host: String, port: Int)?
  /// Origins allowed to call from a browser, compared exactly; empty allows none.
  public var corsOrigins: [String] = []
  /// An encoded `google.protobuf.FileDescriptorSet` (`protoc --include_imports
  /// --descriptor_set_out`), served by reflection; `nil` serves none. Methods that it does not
  /// describe are listed all the same.
  public var reflectionDescriptorSet: [UInt8]?
  /// Admits or refuses each call before its message is decoded.
  public var interceptor: Interceptor?
  /// Judges what `interceptor` would, as far as it can at once, for methods that begin on the event
  /// loop (`RPCMethod.pendingUnary`). Without it, and wherever it cannot tell, they begin in a task
  /// that asks `interceptor`. It is not asked where there is no `interceptor`.
  public var promptInterceptor: PromptInterceptor?
  /// Told of each finished call, on the event loop: count and return, never wait.
  public var observer: (@Sendable (CallReport) -> Void)?
  /// Plain HTTP resources by exact path.
  public var pages: [String: PageHandler] = [:]
  /// Answers every path that is neither a page nor an RPC path; `nil` answers 404.
  public var fallbackPage: PageHandler?
  public var logger: Logger

  public init(
    host: String = "127.0.0.1", port: Int = 0, loops: Int = 1,
    logger: Logger = Logger(label: "consentd.rpc")
  ) {
    self.host = host
    self.port = port
    self.loops = loops
    self.logger = logger
  }

  public struct Limits: Sendable {
    public var connections = 10_000
    public var connectionsPerAddress = 1_000
    public var concurrentStreams: UInt32 = 128
    /// Running handlers per connection, counted apart from streams: a reset frees its stream at
    /// once, its handler only when it noticed.
    public var runningHandlersPerConnection = 128
    /// Running handlers of the whole server; above it calls are refused with 14 before decoding.
    public var runningHandlers = 16_384
    public var headerBytes = 16_384
    public var headerFields = 128
    /// Message size in bytes, each way, also after inflating.
    public var messageBytes = 4 * 1024 * 1024
    /// Bytes of incomplete messages per connection, which flow control cannot bound.
    public var assemblingBytesPerConnection = 16 * 1024 * 1024
    /// Bytes of large messages that were inflated and whose handlers still run, in all.
    public var inflatedBytes = 16 * 1024 * 1024
    public var queuedBytesPerStream = 64 * 1024
    /// Answers that wait for the caller's window; above it further ones are refused.
    public var queuedBytesPerConnection = 16 * 1024 * 1024
    public var streamWindow: Int32 = 256 * 1024
    public var connectionWindow: Int32 = 4 * 1024 * 1024
  }

  /// Milliseconds.
  public struct Timers: Sendable {
    public var tlsHandshake: Int64 = 10_000
    /// The HTTP/2 preface or a complete HTTP/1.1 head.
    public var firstBytes: Int64 = 10_000
    public var settingsAcknowledgement: Int64 = 10_000
    public var requestBodyStall: Int64 = 30_000
    public var writeStall: Int64 = 60_000
    public var http1Idle: Int64 = 60_000
    /// `nil` keeps a connection for ever; else drained after this time +- 10 %.
    public var maximumConnectionAge: Int64?
    /// `nil` keeps an idle connection for ever.
    public var maximumConnectionIdle: Int64?
  }

  /// Milliseconds. Source: gRFC A8; grpc/grpc `doc/keepalive.md`.
  public struct Keepalive: Sendable {
    public var minimumPingInterval: Int64 = 300_000
    public var minimumPingIntervalWithoutCalls: Int64 = 7_200_000
    /// Permits pings without calls at the interval for pings with calls.
    public var permitWithoutCalls = false
    public var pingAfterSilence: Int64 = 7_200_000
    public var pingTimeout: Int64 = 20_000
  }

  /// One finished call, for metrics and the access log.
  public struct CallReport: Sendable {
    /// `nil` when the path names no method.
    public let method: RPCMethod.Info?
    public let wireProtocol: CallContext.WireProtocol
    public let code: RPCCode
    public let durationNanoseconds: UInt64
  }
}
