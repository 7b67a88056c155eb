import HTTP2
import RPCWire

/// Writes answers that belong to no call: preflights, 404, 405, 415 and pages.
enum PlainEncoder {
  private static let allowedHeaders: StaticString =
    """
    Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, Grpc-Timeout, X-Grpc-Web, \
    X-User-Agent, Authorization
    """

  /// Pages run no script and load nothing from elsewhere, unless they say otherwise.
  private static let pagePolicy: StaticString =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

  static func encode(
    _ reply: PlainReply, preflight: [UInt8]?, origin: [UInt8]?, server: ServerCore
  ) -> (HTTP2Fields, [UInt8]) {
    var fields = HTTP2Fields()
    fields.add(":status", "\(reply.status)")
    if let preflight {
      addPreflight(preflight, server: server, to: &fields)
      return (fields, [])
    }
    let body = Array((reply.text + "\n").utf8)
    fields.add("content-type", "text/plain; charset=utf-8")
    fields.add("content-length", "\(body.count)")
    fields.add("x-content-type-options", "nosniff")
    for (name, value) in reply.fields { fields.add(name, value) }
    ReplyEncoder.addCORS(origin, server: server, exposing: nil, to: &fields)
    return (fields, body)
  }

  private static func addPreflight(
    _ origin: [UInt8], server: ServerCore, to fields: inout HTTP2Fields
  ) {
    fields.add(
      "vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
    // A foreign origin gets the same status without permission; its browser stops there.
    guard server.allows(origin: origin) else { return }
    fields.add("access-control-allow-origin", origin)
    fields.add("access-control-allow-methods", "POST, GET")
    fields.add("access-control-allow-headers", allowedHeaders)
    fields.add("access-control-max-age", "7200")
  }

  static func page(
    _ page: PageResponse, origin: [UInt8]?, server: ServerCore
  ) -> HTTP2Fields {
    var fields = HTTP2Fields()
    fields.add(":status", "\(min(max(page.status, 200), 599))")
    fields.add("content-type", page.contentType)
    fields.add("content-length", "\(page.body.count)")
    fields.add("x-content-type-options", "nosniff")
    if page.headers.first("content-security-policy") == nil {
      fields.add("content-security-policy", pagePolicy)
    }
    for entry in page.headers.entries where Metadata.isLegalASCIIValue(entry.value) {
      fields.add(entry.name, entry.value)
    }
    ReplyEncoder.addCORS(origin, server: server, exposing: nil, to: &fields)
    return fields
  }
}
