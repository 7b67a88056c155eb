extension Bool: PostgresScalar {
  public static var postgresType: PostgresType { .bool }
  public static var postgresArrayType: PostgresType { .boolArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(integer: UInt8(self ? 1 : 0))
    return true
  }

  public init?(postgres bytes: RawSpan) {
    guard let byte = bytes.exactInteger(UInt8.self), byte <= 1 else { return nil }
    self = byte == 1
  }
}

extension Int16: PostgresScalar {
  public static var postgresType: PostgresType { .int2 }
  public static var postgresArrayType: PostgresType { .int2Array }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(integer: self)
    return true
  }

  public init?(postgres bytes: RawSpan) {
    guard let value = bytes.exactInteger(Int16.self) else { return nil }
    self = value
  }
}

extension Int32: PostgresScalar {
  public static var postgresType: PostgresType { .int4 }
  public static var postgresArrayType: PostgresType { .int4Array }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(integer: self)
    return true
  }

  public init?(postgres bytes: RawSpan) {
    guard let value = bytes.exactInteger(Int32.self) else { return nil }
    self = value
  }
}

extension Int64: PostgresScalar {
  public static var postgresType: PostgresType { .int8 }
  public static var postgresArrayType: PostgresType { .int8Array }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(integer: self)
    return true
  }

  public init?(postgres bytes: RawSpan) {
    guard let value = bytes.exactInteger(Int64.self) else { return nil }
    self = value
  }
}

extension Double: PostgresScalar {
  public static var postgresType: PostgresType { .float8 }
  public static var postgresArrayType: PostgresType { .float8Array }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(integer: bitPattern)
    return true
  }

  public init?(postgres bytes: RawSpan) {
    guard let bits = bytes.exactInteger(UInt64.self) else { return nil }
    self = Double(bitPattern: bits)
  }
}

extension String: PostgresScalar {
  public static var postgresType: PostgresType { .text }
  public static var postgresArrayType: PostgresType { .textArray }

  public static func canDecode(_ type: PostgresType) -> Bool {
    type == .text || type == .varchar || type == .bpchar || type == .name
  }

  /// PostgreSQL text has no U+0000; such a string is refused here rather than by the server.
  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    let start = buffer.count
    var copy = self
    return copy.withUTF8 { utf8 in
      unsafe buffer.append(span: utf8.span.bytes)
      return !buffer.bytes[start...].contains(0)
    }
  }

  public init?(postgres bytes: RawSpan) {
    guard let text = bytes.validatedText() else { return nil }
    self = text
  }
}

extension RawSpan {
  /// The text, or `nil` when the bytes are not UTF-8.
  func validatedText() -> String? {
    unsafe withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
  }
}

extension UInt8: PostgresArrayElement {
  /// An array of bytes is one `bytea`, not an array of numbers.
  public static func appendArray(_ values: [UInt8], to parameters: inout PostgresParameters) {
    parameters.append(scalar: values)
  }

  public static func decodeArray(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> [UInt8] {
    guard let bytes else { throw .unexpectedNull }
    if let type, type != .bytea { throw .typeMismatch(expected: .bytea, found: type) }
    return bytes.copyBytes()
  }
}

extension Array: PostgresArrayElement where Element == UInt8 {}

extension Array: PostgresScalar where Element == UInt8 {
  public static var postgresType: PostgresType { .bytea }
  public static var postgresArrayType: PostgresType { .byteaArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(bytes: self)
    return true
  }

  public init?(postgres bytes: RawSpan) { self = bytes.copyBytes() }
}
