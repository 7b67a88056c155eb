/// What a handler knows of its call besides the message.
public struct CallContext: Sendable {
  /// How the caller speaks.
  public enum WireProtocol: UInt8, Sendable, CaseIterable {
    case grpc, grpcWeb, connect
  }

  let call: ServerCall

  /// Who calls: put here by the interceptor, before the message is decoded.
  public var principal: (any Sendable)?

  init(call: ServerCall) { self.call = call }

  /// The method that was called.
  public var method: RPCMethod.Info { call.method.info }

  /// `/package.Service/Method`.
  public var path: String { call.method.info.path }

  /// The caller's request metadata; names reserved by the protocols are not in it.
  public var metadata: RequestMetadata { RequestMetadata(fields: call.fields) }

  /// The monotonic instant, in nanoseconds of `RPCClock.now()`, after which nobody reads the
  /// answer; `nil` when the caller set no limit.
  public var deadline: UInt64? { call.deadline == .max ? nil : call.deadline }

  /// Time left before the deadline, never negative; `nil` without a deadline.
  public var remaining: Duration? {
    guard call.deadline != .max else { return nil }
    let now = RPCClock.now()
    return .nanoseconds(call.deadline > now ? Int64(clamping: call.deadline - now) : 0)
  }

  /// Address of the other end of the connection, `127.0.0.1:51234` or `[::1]:51234`.
  public var peer: String { call.peer.description }

  public var wireProtocol: WireProtocol { call.codec.wireProtocol }

  /// True when the bytes crossed the network without TLS.
  public var isPlaintext: Bool { call.peer.isPlaintext }

  /// The client's certificate chain in DER, leaf first; empty without mutual TLS.
  public var clientCertificates: [[UInt8]] { call.peer.certificates }

  /// Adds a field to the headers of the reply; without effect once the first message is sent.
  public func addResponseHeader(_ name: String, _ value: String) {
    call.addResponseField(name, Array(value.utf8), trailing: false)
  }

  /// Adds a field to the headers of the reply as raw bytes; `name` ends in `-bin`.
  public func addResponseHeader(_ name: String, bytes: [UInt8]) {
    call.addResponseField(name, bytes, trailing: false)
  }

  /// Adds a field to the trailers of the reply, sent on success and failure alike.
  public func addResponseTrailer(_ name: String, _ value: String) {
    call.addResponseField(name, Array(value.utf8), trailing: true)
  }

  /// Adds a field to the trailers of the reply as raw bytes; `name` ends in `-bin`.
  public func addResponseTrailer(_ name: String, bytes: [UInt8]) {
    call.addResponseField(name, bytes, trailing: true)
  }
}
