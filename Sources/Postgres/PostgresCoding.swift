/// Something that can be a parameter of a statement.
public protocol PostgresEncodable {
  func append(to parameters: inout PostgresParameters)
}

/// Something that a column can be read as.
public protocol PostgresDecodable {
  /// Reads one column.
  /// - Parameters:
  ///   - bytes: the binary form, `nil` for NULL.
  ///   - type: the type the server states; `nil` in COPY, which states none.
  static func decode(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> Self
}

/// Why a column could not be read. It carries no value of the column.
public enum PostgresDecodingProblem: Error, Equatable, Sendable {
  case unexpectedNull
  case typeMismatch(expected: PostgresType, found: PostgresType)
  case malformed
}

/// A value with one PostgreSQL type. It may stand alone, in an array, and be NULL as an optional.
///
/// Types outside this module may conform, so that identifiers need no conversion on their way.
public protocol PostgresScalar: PostgresEncodable, PostgresDecodable, PostgresArrayElement {
  static var postgresType: PostgresType { get }
  static var postgresArrayType: PostgresType { get }

  /// Whether a column of `type` has the binary form that `init(postgres:)` reads.
  static func canDecode(_ type: PostgresType) -> Bool

  /// Appends the binary form.
  /// - Returns: `false` when PostgreSQL has no such value; the statement then is not sent.
  func encode(into buffer: inout PostgresBuffer) -> Bool

  /// Reads the binary form; `nil` when it is malformed or out of range.
  init?(postgres bytes: RawSpan)
}

/// What may be an element of an array parameter: a scalar, or an optional scalar.
public protocol PostgresArrayElement {
  static func appendArray(_ values: [Self], to parameters: inout PostgresParameters)
  static func decodeArray(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> [Self]
}

extension PostgresScalar {
  public static func canDecode(_ type: PostgresType) -> Bool { type == postgresType }

  public func append(to parameters: inout PostgresParameters) { parameters.append(scalar: self) }

  @inlinable
  public static func decode(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> Self {
    guard let bytes else { throw .unexpectedNull }
    try checkType(type)
    guard let value = Self(postgres: bytes) else { throw .malformed }
    return value
  }

  @inlinable
  static func checkType(_ type: PostgresType?) throws(PostgresDecodingProblem) {
    guard let type, !canDecode(type) else { return }
    throw .typeMismatch(expected: postgresType, found: type)
  }
}

extension Optional: PostgresEncodable where Wrapped: PostgresScalar {
  public func append(to parameters: inout PostgresParameters) {
    switch self {
    case .some(let value): parameters.append(scalar: value)
    case .none: parameters.appendNull(Wrapped.postgresType)
    }
  }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  @inlinable
  public static func decode(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> Wrapped? {
    guard let bytes else { return nil }
    return try Wrapped.decode(bytes, type: type)
  }
}
