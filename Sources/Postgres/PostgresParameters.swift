/// The parameters of one statement, already in binary form in one buffer.
///
/// Reuse a value with `removeAll()`: after the first statements, adding parameters does not allocate.
public struct PostgresParameters: Sendable {
  struct Entry: Sendable {
    var offset: Int
    /// In bytes; -1 is NULL.
    var length: Int
  }

  private(set) var buffer = PostgresBuffer()
  private(set) var entries: [Entry] = []
  private(set) var types: [PostgresType] = []
  /// The first parameter with a value that PostgreSQL does not have.
  private(set) var invalidIndex: Int?

  public init() {}

  public init<each Value: PostgresEncodable>(_ values: repeat each Value) {
    repeat (each values).append(to: &self)
  }

  public var count: Int { entries.count }

  public mutating func removeAll() {
    buffer.removeAll()
    entries.removeAll(keepingCapacity: true)
    types.removeAll(keepingCapacity: true)
    invalidIndex = nil
  }

  public mutating func append(_ value: some PostgresEncodable) { value.append(to: &self) }

  public mutating func append(scalar value: some PostgresScalar) {
    append(type: Self.type(of: value)) { value.encode(into: &$0) }
  }

  public mutating func appendNull(_ type: PostgresType) {
    entries.append(Entry(offset: buffer.count, length: -1))
    types.append(type)
  }

  /// Appends a `bytea` that a span points at.
  public mutating func append(bytea span: RawSpan) {
    let start = buffer.count
    buffer.append(span: span)
    entries.append(Entry(offset: start, length: buffer.count - start))
    types.append(.bytea)
  }

  /// Appends a value whose binary form `encode` writes.
  /// - Parameter encode: returns `false` when PostgreSQL has no such value.
  public mutating func append(type: PostgresType, encode: (inout PostgresBuffer) -> Bool) {
    let start = buffer.count
    if !encode(&buffer), invalidIndex == nil { invalidIndex = entries.count }
    entries.append(Entry(offset: start, length: buffer.count - start))
    types.append(type)
  }

  public mutating func append<Values: Collection>(array values: Values)
  where Values.Element: PostgresScalar {
    appendArray(of: Values.Element.self, count: values.count, hasNull: false) { array in
      for value in values { array.append { value.encode(into: &$0) } }
    }
  }

  public mutating func append<Values: Collection, Value: PostgresScalar>(array values: Values)
  where Values.Element == Value? {
    let hasNull = values.contains { $0 == nil }
    appendArray(of: Value.self, count: values.count, hasNull: hasNull) { array in
      for value in values {
        if let value {
          array.append { value.encode(into: &$0) }
        } else {
          array.appendNull()
        }
      }
    }
  }

  /// Appends an array whose elements `body` writes one by one, so that they need not lie in a
  /// collection of their type.
  public mutating func appendArray<Element: PostgresScalar>(
    of element: Element.Type,
    count: Int,
    hasNull: Bool = false,
    _ body: (inout PostgresArrayWriter) -> Void
  ) {
    let start = buffer.count
    var writer = PostgresArrayWriter(buffer: buffer)
    // The writer owns the buffer for a while; keeping it here too would copy it on the first write.
    buffer = PostgresBuffer()
    writer.appendHeader(type: Element.postgresType, count: count, hasNull: hasNull)
    body(&writer)
    buffer = writer.buffer
    if !writer.isValid || writer.elementCount != count, invalidIndex == nil {
      invalidIndex = entries.count
    }
    entries.append(Entry(offset: start, length: buffer.count - start))
    types.append(Element.postgresArrayType)
  }

  private static func type<Value: PostgresScalar>(of value: Value) -> PostgresType {
    Value.postgresType
  }
}

/// Writes the elements of an array parameter.
public struct PostgresArrayWriter {
  var buffer: PostgresBuffer
  private(set) var isValid = true
  private(set) var elementCount = 0

  init(buffer: consuming PostgresBuffer) { self.buffer = buffer }

  mutating func appendHeader(type: PostgresType, count: Int, hasNull: Bool) {
    buffer.append(integer: Int32(count == 0 ? 0 : 1))
    buffer.append(integer: Int32(hasNull ? 1 : 0))
    buffer.append(integer: type.rawValue)
    guard count > 0 else { return }
    isValid = count <= Int(Int32.max)
    buffer.append(integer: Int32(clamping: count))
    buffer.append(integer: Int32(1))
  }

  public mutating func append(_ encode: (inout PostgresBuffer) -> Bool) {
    let lengthOffset = buffer.count
    buffer.append(integer: Int32(0))
    if !encode(&buffer) { isValid = false }
    let length = buffer.count - lengthOffset - 4
    if length > Int(Int32.max) { isValid = false }
    buffer.overwrite(int32: Int32(clamping: length), at: lengthOffset)
    elementCount += 1
  }

  public mutating func appendNull() {
    buffer.append(integer: Int32(-1))
    elementCount += 1
  }
}
