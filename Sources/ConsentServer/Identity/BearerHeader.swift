/// The value of an `authorization` field (RFC 6750 §2.1).
enum BearerHeader {
  private static let scheme = Array("bearer".utf8)

  /// What follows the scheme, which is written in any case and ended by one blank; `nil` for another
  /// scheme, or where nothing follows. What a token looks like is not looked at.
  static func token(in value: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    let named = value.prefix(scheme.count)
    // The case is dropped from letters only: the same bit would make a blank of a NUL.
    guard named.elementsEqual(scheme, by: { $0 | 0x20 == $1 }) else { return nil }
    let rest = value.dropFirst(scheme.count)
    guard rest.first == UInt8(ascii: " "), rest.count > 1 else { return nil }
    return rest.dropFirst()
  }
}
