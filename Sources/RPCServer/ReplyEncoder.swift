import HTTP2
import RPCWire
import Synchronization

/// Writes a call's reply in its protocol: the one place where errors become statuses.
enum ReplyEncoder {
  // MARK: Heads

  static func head(of call: ServerCall) -> HTTP2FieldList {
    let extra = call.shared.withLock { $0.headerFields }
    if extra.isEmpty, call.corsOrigin == nil, call.replyCompression == nil,
      let prepared = call.preparedHead
    {
      return .prepared(prepared)
    }
    var fields = HTTP2Fields()
    addHead(of: call, to: &fields)
    add(extra, to: &fields)
    return .built(fields)
  }

  private static func addHead(of call: ServerCall, to fields: inout HTTP2Fields) {
    fields.add(":status", "200")
    fields.add("content-type", call.contentType)
    fields.add("grpc-accept-encoding", Compression.accepted)
    if call.replyCompression != nil { fields.add("grpc-encoding", "gzip") }
  }

  // MARK: Ends

  /// Ends a gRPC call after its last message.
  static func sendEnd(_ call: ServerCall, error: RPCError?, trailersOnly: Bool) {
    let trailers = call.shared.withLock { $0.trailerFields }
    if trailersOnly {
      var fields = HTTP2Fields()
      addHead(of: call, to: &fields)
      add(call.shared.withLock { $0.headerFields }, to: &fields)
      addStatus(error, to: &fields)
      add(trailers, to: &fields)
      call.carrier.sendHead(.built(fields), endStream: true)
      call.carrier.ended()
      return
    }
    if error == nil, trailers.isEmpty {
      return call.carrier.end(trailers: .prepared(ReplyTables.okTrailers))
    }
    var fields = HTTP2Fields()
    addStatus(error, to: &fields)
    add(trailers, to: &fields)
    call.carrier.end(trailers: .built(fields))
  }

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

  /// Adds user metadata; what may not be sent was refused earlier or is dropped here.
  static func add(_ metadata: Metadata, to fields: inout HTTP2Fields) {
    for entry in metadata.entries where Metadata.isLegalUserName(entry.name) {
      if entry.isBinary {
        fields.add(entry.name, Base64.encode(entry.value))
      } else if Metadata.isLegalASCIIValue(entry.value) {
        fields.add(entry.name, entry.value)
      }
    }
  }
}
