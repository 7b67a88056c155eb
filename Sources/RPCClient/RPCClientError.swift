public import RPCWire
public import SwiftProtobuf

/// Why a call failed, as the server said it or as the connection showed it.
public struct RPCClientError: Error, Sendable, CustomStringConvertible {
  public let code: RPCCode
  public let message: String
  /// Full type name and encoded bytes of each detail.
  public let details: [(typeName: String, value: [UInt8])]
  public let trailers: Metadata

  init(
    _ code: RPCCode, _ message: String, details: [StatusMessage.Detail] = [],
    trailers: Metadata = Metadata()
  ) {
    self.code = code
    self.message = message
    self.details = details
    self.trailers = trailers
  }

  public var description: String {
    message.isEmpty ? code.connectName : "\(code.connectName): \(message)"
  }

  /// The first detail of a type, decoded; `nil` when there is none or it cannot be read.
  public func detail<Detail: Message>(_ type: Detail.Type = Detail.self) -> Detail? {
    details.first { $0.typeName == Detail.protoMessageName }
      .flatMap { try? Detail(serializedBytes: $0.value) }
  }
}
