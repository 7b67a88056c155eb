import HTTP2

/// The field lists of ordinary replies, laid out once so that sending them copies no text.
enum ReplyTables {
  static let grpcHead = head("application/grpc")
  static let grpcProtoHead = head("application/grpc+proto")
  static let okTrailers: HTTP2PreparedFields = {
    var fields = HTTP2Fields()
    fields.add("grpc-status", "0")
    return HTTP2PreparedFields(fields)
  }()

  private static func head(_ contentType: StaticString) -> HTTP2PreparedFields {
    var fields = HTTP2Fields()
    fields.add(":status", "200")
    fields.add("content-type", contentType)
    fields.add("grpc-accept-encoding", Compression.accepted)
    return HTTP2PreparedFields(fields)
  }

  private static let grpc = Array("application/grpc".utf8)
  private static let grpcProto = Array("application/grpc+proto".utf8)

  /// The reply's content-type, which is the request's; of the usual ones no copy is made.
  static func contentType(_ value: ArraySlice<UInt8>) -> [UInt8] {
    switch value.count {
    case 16 where value.elementsEqual(grpc): grpc
    case 22 where value.elementsEqual(grpcProto): grpcProto
    default: Array(value)
    }
  }

  /// The prepared head for exactly this request content-type, if there is one.
  static func grpcHead(for contentType: [UInt8]) -> HTTP2PreparedFields? {
    switch contentType.count {
    case 16: contentType == grpc ? grpcHead : nil
    case 22: contentType == grpcProto ? grpcProtoHead : nil
    default: nil
    }
  }
}
