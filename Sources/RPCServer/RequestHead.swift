import HTTP2
import RPCWire

/// Where the fields that the protocols read stand in a request's header list: found in one pass,
/// so that no later step searches again. -1 marks one that is absent.
struct RequestHead {
  var method = -1
  var path = -1
  var contentType = -1
  var grpcTimeout = -1
  var grpcEncoding = -1
  var grpcAcceptEncoding = -1
  var connectTimeout = -1
  var connectVersion = -1
  var connectEncoding = -1
  var connectAcceptEncoding = -1
  var contentEncoding = -1
  var acceptEncoding = -1
  var origin = -1
  var preflightMethod = -1
  var authorities = 0
  var hosts = 0
  /// A `-bin` value that is not base64.
  var hasBadBinary = false

  init(_ fields: HTTP2Fields) {
    for index in 0..<fields.count { note(index, fields) }
  }

  private mutating func note(_ index: Int, _ fields: HTTP2Fields) {
    let count = fields.nameCount(index)
    switch count {
    case 4: if fields.hasName(index, "host") { hosts += 1 }
    case 5: if fields.hasName(index, ":path") { path = index }
    case 6: if fields.hasName(index, "origin") { origin = index }
    case 7: if fields.hasName(index, ":method") { method = index }
    case 10: if fields.hasName(index, ":authority") { authorities += 1 }
    case 12:
      if fields.hasName(index, "content-type") {
        contentType = index
      } else if fields.hasName(index, "grpc-timeout") {
        grpcTimeout = index
      }
    case 13: if fields.hasName(index, "grpc-encoding") { grpcEncoding = index }
    case 15: if fields.hasName(index, "accept-encoding") { acceptEncoding = index }
    case 16: if fields.hasName(index, "content-encoding") { contentEncoding = index }
    case 18: if fields.hasName(index, "connect-timeout-ms") { connectTimeout = index }
    case 20: if fields.hasName(index, "grpc-accept-encoding") { grpcAcceptEncoding = index }
    case 23: if fields.hasName(index, "connect-accept-encoding") { connectAcceptEncoding = index }
    case 24:
      if fields.hasName(index, "connect-protocol-version") {
        connectVersion = index
      } else if fields.hasName(index, "connect-content-encoding") {
        connectEncoding = index
      }
    case 29: if fields.hasName(index, "access-control-request-method") { preflightMethod = index }
    default: break
    }
    if count >= 4, fields.nameEnds(index, with: "-bin") { checkBinary(fields.value(index)) }
  }

  private mutating func checkBinary(_ value: ArraySlice<UInt8>) {
    for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    where Base64.decode(ASCII.trimmed(part)) == nil { hasBadBinary = true }
  }
}
