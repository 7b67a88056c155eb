extension PostgresScalar {
  public static func appendArray(_ values: [Self], to parameters: inout PostgresParameters) {
    parameters.append(array: values)
  }

  public static func decodeArray(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> [Self] {
    var values: [Self] = []
    try decodeElements(bytes, type: type) { (element) throws(PostgresDecodingProblem) in
      guard let element else { throw .unexpectedNull }
      guard let value = Self(postgres: element) else { throw .malformed }
      values.append(value)
    }
    return values
  }

  /// Walks through a one-dimensional array in its binary form: number of dimensions, NULL flag,
  /// element type, then length and lower bound of the dimension, then each element with its length.
  static func decodeElements(
    _ bytes: RawSpan?,
    type: PostgresType?,
    _ body: (RawSpan?) throws(PostgresDecodingProblem) -> Void
  ) throws(PostgresDecodingProblem) {
    guard let bytes else { throw .unexpectedNull }
    if let type, type != postgresArrayType {
      throw .typeMismatch(expected: postgresArrayType, found: type)
    }
    var offset = 0
    guard let dimensions = bytes.integer(Int32.self, at: &offset),
      let nullFlag = bytes.integer(Int32.self, at: &offset), nullFlag == 0 || nullFlag == 1,
      let elementType = bytes.integer(UInt32.self, at: &offset)
    else { throw .malformed }
    guard canDecode(PostgresType(elementType)) else {
      throw .typeMismatch(expected: postgresType, found: PostgresType(elementType))
    }
    if dimensions == 0 {
      guard offset == bytes.byteCount else { throw .malformed }
      return
    }
    guard dimensions == 1, let length = bytes.integer(Int32.self, at: &offset), length >= 0,
      bytes.integer(Int32.self, at: &offset) != nil
    else { throw .malformed }
    // A false length ends at the first element that is not there.
    for _ in 0..<length {
      guard let size = bytes.integer(Int32.self, at: &offset) else { throw .malformed }
      if size == -1 {
        try body(nil)
        continue
      }
      guard size >= 0, bytes.byteCount - offset >= Int(size) else { throw .malformed }
      let end = offset + Int(size)
      try body(bytes.extracting(offset..<end))
      offset = end
    }
    guard offset == bytes.byteCount else { throw .malformed }
  }
}

extension Optional: PostgresArrayElement where Wrapped: PostgresScalar {
  public static func appendArray(_ values: [Wrapped?], to parameters: inout PostgresParameters) {
    parameters.append(array: values)
  }

  public static func decodeArray(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> [Wrapped?] {
    var values: [Wrapped?] = []
    try Wrapped.decodeElements(bytes, type: type) { (element) throws(PostgresDecodingProblem) in
      guard let element else {
        values.append(nil)
        return
      }
      guard let value = Wrapped(postgres: element) else { throw .malformed }
      values.append(value)
    }
    return values
  }
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
  public func append(to parameters: inout PostgresParameters) {
    Element.appendArray(self, to: &parameters)
  }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
  public static func decode(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> [Element] {
    try Element.decodeArray(bytes, type: type)
  }
}
