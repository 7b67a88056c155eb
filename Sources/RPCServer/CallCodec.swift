import RPCWire

/// How one call is written on the wire.
struct CallCodec: Sendable, Equatable {
  enum Form: UInt8, Sendable {
    case grpc, grpcWeb, connectStreaming, connectUnary, connectGet
  }

  let form: Form
  let encoding: MessageEncoding

  static let grpc = CallCodec(form: .grpc, encoding: .proto)

  var wireProtocol: CallContext.WireProtocol {
    switch form {
    case .grpc: .grpc
    case .grpcWeb: .grpcWeb
    case .connectStreaming, .connectUnary, .connectGet: .connect
    }
  }

  /// Connect unary: the body is the bare message.
  var isBare: Bool { form == .connectUnary || form == .connectGet }
}
