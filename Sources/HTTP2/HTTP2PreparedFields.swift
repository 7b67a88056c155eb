internal import CNghttp2

/// A field list laid out once for nghttp2, so that sending it copies no text.
///
/// INVARIANT: the memory is never freed. nghttp2 keeps the pointers until the frame is sent, which
/// may be long after the call that submitted it; therefore make these once per program, as
/// `static let`, never per connection or call.
@safe public final class HTTP2PreparedFields: Sendable {
  // Written in `init` only and never freed, so any thread may read it.
  nonisolated(unsafe) let table: UnsafeMutablePointer<nghttp2_nv>
  let count: Int
  let fields: HTTP2Fields

  public init(_ fields: HTTP2Fields) {
    self.fields = fields
    let size = max(1, fields.bytes.count)
    let text = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
    unsafe text.initialize(repeating: 0, count: size)
    for (index, byte) in fields.bytes.enumerated() { unsafe text[index] = byte }
    let table = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: max(1, fields.count))
    let flags = UInt8(
      NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
    for (index, field) in fields.fields.enumerated() {
      let name = unsafe text + Int(field.nameStart)
      unsafe (table + index).initialize(
        to: nghttp2_nv(
          name: name, value: name + Int(field.nameCount), namelen: Int(field.nameCount),
          valuelen: Int(field.valueCount), flags: flags))
    }
    unsafe self.table = unsafe table
    count = fields.count
  }
}

/// A field list to send: laid out beforehand, or built for this reply.
public enum HTTP2FieldList {
  case prepared(HTTP2PreparedFields)
  case built(HTTP2Fields)

  /// The list as it was given.
  public var fields: HTTP2Fields {
    switch self {
    case .prepared(let prepared): prepared.fields
    case .built(let fields): fields
    }
  }

  /// Lends the list in nghttp2's form for the duration of `body`.
  func withTable<R>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> R) -> R {
    switch self {
    case .prepared(let fields):
      return unsafe body(fields.table, fields.count)
    case .built(let fields):
      return unsafe fields.bytes.withUnsafeBufferPointer { text in
        unsafe withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count + 1) {
          table in
          // INVARIANT: a temporary allocation of at least one element has an address.
          guard let base = table.baseAddress else { preconditionFailure("no temporary memory") }
          for (index, field) in fields.fields.enumerated() {
            // Without the NO_COPY flags nghttp2 copies the text during the call.
            let name = unsafe UnsafeMutablePointer(mutating: text.baseAddress).map {
              unsafe $0 + Int(field.nameStart)
            }
            let value = unsafe name.map { unsafe $0 + Int(field.nameCount) }
            unsafe (base + index).initialize(
              to: nghttp2_nv(
                name: name, value: value, namelen: Int(field.nameCount),
                valuelen: Int(field.valueCount), flags: 0))
          }
          return unsafe body(UnsafePointer(base), fields.count)
        }
      }
    }
  }
}
