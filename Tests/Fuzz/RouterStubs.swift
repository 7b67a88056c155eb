import RPCWire

// What the router asks of its surroundings, without the network: the names of the real ones, and of
// each only what a route depends on.

struct RPCMethod: Sendable {
  enum Shape: UInt8, Sendable, CaseIterable {
    case unary, serverStreaming, clientStreaming, bidirectional
  }

  final class Info: Sendable {
    let path: String
    let shape: Shape
    let noSideEffects: Bool

    init(_ path: String, _ shape: Shape, noSideEffects: Bool) {
      self.path = path
      self.shape = shape
      self.noSideEffects = noSideEffects
    }
  }

  let info: Info

  init(_ path: String, _ shape: Shape, noSideEffects: Bool = false) {
    info = Info(path, shape, noSideEffects: noSideEffects)
  }
}

extension Router {
  static let noMethod = RPCMethod("/unknown.Unknown/Unknown", .bidirectional)
}

struct CallContext {
  enum WireProtocol { case grpc, grpcWeb, connect }
}

struct RPCError: Error {
  var code: RPCCode
  var message: String

  init(_ code: RPCCode, _ message: String) {
    self.code = code
    self.message = message
  }
}

enum StandardErrors {
  static let noSuchMethod = RPCError(.unimplemented, "no such method")
}

enum ReplyTables {
  static func contentType(_ value: ArraySlice<UInt8>) -> [UInt8] { Array(value) }
}

/// Pages are told apart by their names.
typealias PageHandler = String

struct ServerCore {
  struct Configuration { var fallbackPage: PageHandler? }

  var methods: MethodTable
  var pages: [String: PageHandler]
  var configuration: Configuration
}
