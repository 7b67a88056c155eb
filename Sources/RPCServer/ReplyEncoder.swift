import HTTP2
import RPCWire
import Synchronization

/// Writes a call's reply in its protocol: the one place where errors become statuses.
enum ReplyEncoder {
  // MARK: Heads

  /// The head of a reply in messages.
  static func head(of call: ServerCall) -> HTTP2FieldList {
    let extra = call.shared.withLock { $0.held?.headerFields } ?? Metadata()
    if extra.isEmpty, !call.announcesCompression, let prepared = call.head.preparedHead {
      return .prepared(prepared)
    }
    return .built(builtHead(of: call, extra))
  }

  private static func builtHead(of call: ServerCall, _ extra: Metadata) -> HTTP2Fields {
    var fields = HTTP2Fields()
    fields.add(":status", "200")
    fields.add("content-type", call.contentType)
    if call.codec.form == .connectStreaming {
      fields.add("connect-accept-encoding", "gzip")
      if call.announcesCompression { fields.add("connect-content-encoding", "gzip") }
    } else {
      fields.add("grpc-accept-encoding", Compression.accepted)
      if call.announcesCompression { fields.add("grpc-encoding", "gzip") }
    }
    addCORS(call.corsOrigin, server: call.loop.server, exposing: nil, to: &fields)
    add(extra, to: &fields)
    return fields
  }

  // MARK: Ends

  /// Ends a call in messages after its last one.
  static func sendEnd(_ call: ServerCall, error: RPCError?, trailersOnly: Bool) {
    let trailers = call.shared.withLock { $0.held?.trailerFields } ?? Metadata()
    switch call.codec.form {
    case .grpc: sendTrailers(call, error, trailers, trailersOnly: trailersOnly)
    case .grpcWeb: sendWebTrailers(call, error, trailers, needsHead: trailersOnly)
    case .connectStreaming: sendEndOfStream(call, error, trailers, needsHead: trailersOnly)
    case .connectUnary, .connectGet: break
    }
  }

  private static func sendTrailers(
    _ call: ServerCall, _ error: RPCError?, _ trailers: Metadata, trailersOnly: Bool
  ) {
    if trailersOnly {
      guard call.shared.withLock({ $0.held?.headerFields.isEmpty == false }) else {
        var fields = builtHead(of: call, Metadata())
        addStatus(error, to: &fields)
        add(trailers, to: &fields)
        call.carrier.sendHead(.built(fields), endStream: true)
        call.carrier.ended()
        return
      }
      // Header metadata in a list that is also the trailers would be read as trailers too.
      call.carrier.sendHead(head(of: call), endStream: false)
    }
    if error == nil, trailers.isEmpty {
      return call.carrier.end(trailers: .prepared(ReplyTables.okTrailers))
    }
    var fields = HTTP2Fields()
    addStatus(error, to: &fields)
    add(trailers, to: &fields)
    call.carrier.end(trailers: .built(fields))
  }

  private static func sendWebTrailers(
    _ call: ServerCall, _ error: RPCError?, _ trailers: Metadata, needsHead: Bool
  ) {
    if needsHead { call.carrier.sendHead(head(of: call), endStream: false) }
    var fields = HTTP2Fields()
    addStatus(error, to: &fields)
    add(trailers, to: &fields)
    let block = WebTrailers.encode(
      (0..<fields.count).map { (name: fields.name($0), value: fields.value($0)) })
    call.carrier.sendBody(
      MessageFraming.prefix(flags: WebTrailers.flag, length: block.count), block)
    call.carrier.end(trailers: nil)
  }

  private static func sendEndOfStream(
    _ call: ServerCall, _ error: RPCError?, _ trailers: Metadata, needsHead: Bool
  ) {
    if needsHead { call.carrier.sendHead(head(of: call), endStream: false) }
    var metadata = sendable(trailers)
    if let error { metadata.entries += sendable(error.trailingMetadata).entries }
    let json = ConnectJSON.endOfStream(error: error.map(errorJSON(_:)), metadata: metadata)
    call.carrier.sendBody(MessageFraming.prefix(flags: 2, length: json.count), json)
    call.carrier.end(trailers: nil)
  }

  // MARK: Connect unary

  /// The whole reply of a Connect unary call: a bare message, or an error with its HTTP status.
  static func sendBare(_ call: ServerCall, body: EncodedMessage?, error: RPCError?) {
    let (headers, trailers) = call.shared.withLock { shared in
      (shared.held?.headerFields ?? Metadata(), shared.held?.trailerFields ?? Metadata())
    }
    var fields = HTTP2Fields()
    var trailing = sendable(trailers)
    if let error { trailing.entries += sendable(error.trailingMetadata).entries }
    let status = error.map { call.status ?? $0.code.httpStatus } ?? 200
    fields.add(":status", "\(status)")
    var content = error.map(errorJSON(_:)) ?? body?.bytes ?? []
    if error != nil {
      fields.add("content-type", "application/json")
    } else {
      fields.add("content-type", call.contentType)
      if let compressed = body?.compressed {
        content = compressed
        fields.add("content-encoding", "gzip")
      }
    }
    fields.add("content-length", "\(content.count)")
    fields.add("accept-encoding", "gzip")
    fields.add("x-content-type-options", "nosniff")
    if call.codec.form == .connectGet {
      // A cached permit would outlive its withdrawal.
      fields.add("cache-control", "no-store")
      fields.add("vary", "accept-encoding")
    }
    addCORS(call.corsOrigin, server: call.loop.server, exposing: trailing, to: &fields)
    add(headers, to: &fields)
    for entry in trailing.entries {
      let value = entry.isBinary ? Base64.encode(entry.value) : entry.value
      fields.add(Array("trailer-".utf8) + entry.name, value)
    }
    call.carrier.sendHead(.built(fields), endStream: content.isEmpty)
    guard !content.isEmpty else { return call.carrier.ended() }
    call.carrier.sendBody([], content)
    call.carrier.end(trailers: nil)
  }

  private static func errorJSON(_ error: RPCError) -> [UInt8] {
    ConnectJSON.error(
      error.code, error.message,
      details: error.details.map { (typeName: $0.typeName, value: $0.value) })
  }

  // MARK: Status

  /// grpc-status, grpc-message and the details of an error, with its trailing metadata.
  static func addStatus(_ error: RPCError?, to fields: inout HTTP2Fields) {
    guard let error else { return fields.add("grpc-status", "0") }
    fields.add("grpc-status", "\(error.code.rawValue)")
    if !error.message.isEmpty {
      fields.add("grpc-message", PercentCoding.encodeMessage(error.message))
    }
    if let details = statusDetails(error) { fields.add("grpc-status-details-bin", details) }
    add(error.trailingMetadata, to: &fields)
  }

  /// Details above this size are left out: clients cap a whole trailer list at 8 KiB.
  private static let maximumDetailBytes = 2_048

  private static func statusDetails(_ error: RPCError) -> [UInt8]? {
    guard !error.details.isEmpty else { return nil }
    let bytes = StatusMessage.encode(
      code: error.code, message: error.message,
      details: error.details.map { (typeName: $0.typeName, value: $0.value) })
    guard bytes.count <= maximumDetailBytes else { return nil }
    return Base64.encode(bytes)
  }

  // MARK: Metadata

  private static func sendable(_ metadata: Metadata) -> Metadata {
    var result = Metadata()
    result.entries = metadata.entries.filter { entry in
      Metadata.isLegalUserName(entry.name)
        && (entry.isBinary || Metadata.isLegalASCIIValue(entry.value))
    }
    return result
  }

  /// Adds user metadata; what may not be sent is dropped, since nghttp2 would reset the stream.
  static func add(_ metadata: Metadata, to fields: inout HTTP2Fields) {
    for entry in sendable(metadata).entries {
      fields.add(entry.name, entry.isBinary ? Base64.encode(entry.value) : entry.value)
    }
  }

  /// The fields that let a browser's script read the reply. Errors need them as well.
  static func addCORS(
    _ origin: [UInt8]?, server: ServerCore, exposing trailing: Metadata?,
    to fields: inout HTTP2Fields
  ) {
    guard server.answersBrowsers else { return }
    fields.add("vary", "Origin")
    guard let origin else { return }
    fields.add("access-control-allow-origin", origin)
    var exposed = "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin"
    for entry in trailing?.entries ?? [] {
      exposed += ", Trailer-" + String(decoding: entry.name, as: UTF8.self)
    }
    fields.add("access-control-expose-headers", exposed)
  }
}
