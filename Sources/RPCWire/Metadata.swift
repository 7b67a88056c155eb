/// Header and trailer fields as bytes, in the order given.
///
/// Names are lower case ASCII. A name ending in `-bin` holds raw bytes here; base64 is applied
/// where the fields go on the wire, so that a value is never encoded twice.
public struct Metadata: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public let name: [UInt8]
    public let value: [UInt8]

    public init(name: [UInt8], value: [UInt8]) {
      self.name = name
      self.value = value
    }

    /// Tells whether the value is raw bytes that travel as base64.
    @inlinable public var isBinary: Bool { Metadata.isBinary(name: name) }
  }

  public var entries: [Entry] = []

  public init() {}

  public var isEmpty: Bool { entries.isEmpty }

  /// Adds a field; `name` is folded to lower case.
  public mutating func add(_ name: String, _ value: String) {
    entries.append(Entry(name: ASCII.lowercased(Array(name.utf8)), value: Array(value.utf8)))
  }

  /// Adds a field with raw bytes; `name` should end in `-bin`.
  public mutating func add(_ name: String, bytes: [UInt8]) {
    entries.append(Entry(name: ASCII.lowercased(Array(name.utf8)), value: bytes))
  }

  /// The first value under a lower-case name, as bytes.
  public func first(_ name: StaticString) -> [UInt8]? {
    entries.first { ASCII.equals($0.name, name) }?.value
  }

  /// The first value under a lower-case name as text, with invalid UTF-8 repaired.
  public func text(_ name: StaticString) -> String? {
    first(name).map { String(decoding: $0, as: UTF8.self) }
  }

  @inlinable
  public static func isBinary(name: some RandomAccessCollection<UInt8>) -> Bool {
    name.suffix(4).elementsEqual("-bin".utf8)
  }

  /// Tells whether a name is legal as user metadata: `0-9 a-z _ - .` and not reserved.
  public static func isLegalUserName(_ name: [UInt8]) -> Bool {
    guard !name.isEmpty, !isReserved(name) else { return false }
    return name.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
        true
      default: false
      }
    }
  }

  /// Tells whether an ASCII value may be sent: 0x20 to 0x7E, no space at either end.
  public static func isLegalASCIIValue(_ value: [UInt8]) -> Bool {
    guard value.first != 0x20, value.last != 0x20 else { return false }
    return value.allSatisfy { (0x20...0x7E).contains($0) }
  }

  /// Names that belong to the protocol and never reach a handler as user metadata.
  public static func isReserved(_ name: some RandomAccessCollection<UInt8>) -> Bool {
    guard let first = name.first else { return true }
    if first == UInt8(ascii: ":") { return true }
    if name.starts(with: "grpc-".utf8) { return true }
    switch name.count {
    case 2: return name.elementsEqual("te".utf8)
    case 4: return name.elementsEqual("host".utf8)
    case 7: return name.elementsEqual("trailer".utf8) || name.elementsEqual("upgrade".utf8)
    case 10:
      return name.elementsEqual("connection".utf8) || name.elementsEqual("user-agent".utf8)
        || name.elementsEqual("keep-alive".utf8)
    case 12: return name.elementsEqual("content-type".utf8)
    case 14: return name.elementsEqual("content-length".utf8)
    case 17: return name.elementsEqual("transfer-encoding".utf8)
    default: return name.starts(with: "connect-".utf8)
    }
  }
}
