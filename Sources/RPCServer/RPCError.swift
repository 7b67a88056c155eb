public import RPCWire
public import SwiftProtobuf

/// The one error a handler throws to choose what the caller reads; it is rendered as a gRPC
/// status, a Connect error or a gRPC-Web trailer frame.
///
/// INVARIANT: everything in it is sent to the caller, so it never holds patient data, tokens or
/// SQL. Any other error type thrown by a handler becomes code 2 with a fixed text and is logged.
public struct RPCError: Error, Sendable {
  public var code: RPCCode
  /// English text for a developer: what is wrong and what to do next. Cut at 1 KiB on the wire.
  public var message: String
  /// Typed details, in `google.rpc.Status.details` and Connect's `details`.
  public var details: [RPCErrorDetail]
  /// Extra trailing metadata; reserved names and illegal values are dropped.
  public var trailingMetadata: Metadata

  public init(
    _ code: RPCCode, _ message: String, details: [RPCErrorDetail] = [],
    trailingMetadata: Metadata = Metadata()
  ) {
    // An error that says OK would be read as success by a client and lose the failure.
    self.code = code == .ok ? .unknown : code
    self.message = message
    self.details = details
    self.trailingMetadata = trailingMetadata
  }
}

/// One `google.protobuf.Any`: the full name of a message type and its encoded bytes.
public struct RPCErrorDetail: Sendable, Equatable {
  /// Without a prefix, for instance `google.rpc.ErrorInfo`.
  public let typeName: String
  public let value: [UInt8]

  public init(typeName: String, value: [UInt8]) {
    self.typeName = typeName
    self.value = value
  }

  /// Packs a message, for instance a generated `Google_Rpc_ErrorInfo`.
  public init<Detail: Message>(_ message: Detail) {
    typeName = Detail.protoMessageName
    // Encoding fails only for a proto2 message that lacks required fields; no google.rpc detail
    // has any, and a detail must never turn one error into another.
    value = (try? message.serializedBytes()) ?? []
  }
}
