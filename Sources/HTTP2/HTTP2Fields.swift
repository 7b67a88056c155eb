/// A header or trailer list in one byte arena: two allocations however many fields there are.
///
/// Names are lower case, values are bytes as they came. Reading never traps: an index comes from
/// `0..<count` and positions are our own.
public struct HTTP2Fields: Sendable {
  @usableFromInline
  struct Field: Sendable {
    @usableFromInline var nameStart: UInt32
    @usableFromInline var nameCount: UInt32
    @usableFromInline var valueCount: UInt32

    @inlinable
    init(nameStart: UInt32, nameCount: UInt32, valueCount: UInt32) {
      self.nameStart = nameStart
      self.nameCount = nameCount
      self.valueCount = valueCount
    }
  }

  /// INVARIANT: every field lies inside `bytes`, its value right behind its name.
  @usableFromInline var bytes: [UInt8] = []
  @usableFromInline var fields: [Field] = []

  public init() {}

  @inlinable public var count: Int { fields.count }

  /// Size as HTTP/2 counts it: name, value and 32 for each field (RFC 9113 §6.5.2).
  public var listSize: Int { bytes.count + 32 * fields.count }

  public mutating func reserve(fields count: Int, bytes size: Int) {
    fields.reserveCapacity(count)
    bytes.reserveCapacity(size)
  }

  @inlinable
  public func name(_ index: Int) -> ArraySlice<UInt8> {
    let field = fields[index]
    let start = Int(field.nameStart)
    return bytes[start..<(start &+ Int(field.nameCount))]
  }

  @inlinable
  public func value(_ index: Int) -> ArraySlice<UInt8> {
    let field = fields[index]
    let start = Int(field.nameStart) &+ Int(field.nameCount)
    return bytes[start..<(start &+ Int(field.valueCount))]
  }

  /// The first value under a lower-case name.
  @inlinable
  public func first(_ name: StaticString) -> ArraySlice<UInt8>? {
    for index in 0..<fields.count where hasName(index, name) { return value(index) }
    return nil
  }

  @inlinable
  public func count(of name: StaticString) -> Int {
    var total = 0
    for index in 0..<fields.count where hasName(index, name) { total += 1 }
    return total
  }

  @inlinable
  public func hasName(_ index: Int, _ name: StaticString) -> Bool {
    let field = fields[index]
    guard Int(field.nameCount) == name.utf8CodeUnitCount else { return false }
    return hasBytes(at: Int(field.nameStart), name)
  }

  @inlinable
  func hasBytes(at start: Int, _ text: StaticString) -> Bool {
    text.withUTF8Buffer { wanted in
      unsafe bytes.withUnsafeBufferPointer { all in
        for offset in 0..<wanted.count where unsafe all[start &+ offset] != wanted[offset] {
          return false
        }
        return true
      }
    }
  }

  /// Tells whether both lists have the same names and values in the same order.
  public func hasSameBytes(as other: HTTP2Fields) -> Bool {
    let sameText = unsafe bytes.withUnsafeBytes { text in
      unsafe other.bytes.withUnsafeBytes { unsafe Self.areSame(text, $0) }
    }
    guard sameText else { return false }
    return unsafe fields.withUnsafeBytes { places in
      unsafe other.fields.withUnsafeBytes { unsafe Self.areSame(places, $0) }
    }
  }

  /// Eight bytes at a time: this runs over the whole list of every call.
  static func areSame(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer)
    -> Bool
  {
    guard one.count == other.count else { return false }
    if unsafe one.baseAddress == other.baseAddress { return true }
    var offset = 0
    while one.count - offset >= 8 {
      let same =
        unsafe one.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        == other.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      guard same else { return false }
      offset += 8
    }
    while offset < one.count {
      guard unsafe one[offset] == other[offset] else { return false }
      offset += 1
    }
    return true
  }

  @inlinable public func nameCount(_ index: Int) -> Int { Int(fields[index].nameCount) }

  @inlinable
  public func nameEnds(_ index: Int, with ending: StaticString) -> Bool {
    let field = fields[index]
    let shorter = Int(field.nameCount) - ending.utf8CodeUnitCount
    return shorter >= 0 && hasBytes(at: Int(field.nameStart) &+ shorter, ending)
  }

  @inlinable
  public func value(_ index: Int, equals text: StaticString) -> Bool {
    let field = fields[index]
    guard Int(field.valueCount) == text.utf8CodeUnitCount else { return false }
    return hasBytes(at: Int(field.nameStart) &+ Int(field.nameCount), text)
  }

  public mutating func add(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) {
    // A list this long cannot arise: both directions are limited to kilobytes before.
    guard bytes.count + name.count + value.count < Int(UInt32.max) else { return }
    fields.append(
      Field(
        nameStart: UInt32(bytes.count), nameCount: UInt32(name.count),
        valueCount: UInt32(value.count)))
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
  }

  public mutating func add(_ name: StaticString, _ value: some Collection<UInt8>) {
    name.withUTF8Buffer { unsafe add($0, value) }
  }

  public mutating func add(_ name: StaticString, _ value: StaticString) {
    value.withUTF8Buffer { unsafe add(name, $0) }
  }

  public mutating func add(_ name: StaticString, _ value: String) { add(name, value.utf8) }

  /// Forgets all fields. An ordinary list's memory is kept for the next one.
  mutating func empty() {
    guard !fields.isEmpty else { return }
    bytes.removeAll(keepingCapacity: bytes.capacity <= 4_096)
    fields.removeAll(keepingCapacity: fields.capacity <= 64)
  }
}
