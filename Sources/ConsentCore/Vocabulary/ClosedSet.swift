/// A set over a small closed vocabulary, held in one word so that a test is one instruction.
///
/// Raw values of `Element` are 0 to 31.
public struct ClosedSet<Element>: Hashable, Sendable, Codable, ExpressibleByArrayLiteral
where Element: RawRepresentable & CaseIterable & Sendable, Element.RawValue == UInt8 {
  public var bits: UInt32

  @inlinable public init(bits: UInt32 = 0) { self.bits = bits }

  public init(_ elements: some Sequence<Element>) {
    bits = elements.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
  }

  public init(arrayLiteral elements: Element...) { self.init(elements) }

  @inlinable public func contains(_ element: Element) -> Bool {
    bits & (1 << UInt32(element.rawValue)) != 0
  }

  public mutating func insert(_ element: Element) { bits |= 1 << UInt32(element.rawValue) }
  public mutating func remove(_ element: Element) { bits &= ~(1 << UInt32(element.rawValue)) }
  public func union(_ other: Self) -> Self { Self(bits: bits | other.bits) }
  public func intersection(_ other: Self) -> Self { Self(bits: bits & other.bits) }
  public func subtracting(_ other: Self) -> Self { Self(bits: bits & ~other.bits) }
  public func isSubset(of other: Self) -> Bool { bits & ~other.bits == 0 }
  public var isEmpty: Bool { bits == 0 }
  public var elements: [Element] { Element.allCases.filter(contains) }
  public static var all: Self { Self(Element.allCases) }

  public init(from decoder: any Decoder) throws {
    bits = try decoder.singleValueContainer().decode(UInt32.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(bits)
  }
}
