/// How long a caller will wait, as written in `grpc-timeout` and `connect-timeout-ms`.
public enum CallTimeout {
  /// Parses `grpc-timeout`: 1 to 8 digits and one of `H M S m u n`.
  ///
  /// - Returns: nanoseconds, clamped to about 146 years; `nil` when malformed.
  public static func parseGRPC(_ text: some BidirectionalCollection<UInt8>) -> UInt64? {
    guard let unit = text.last,
      let amount = ASCII.decimal(text.dropLast(), maximumDigits: 8)
    else { return nil }
    let scale: UInt64
    switch unit {
    case UInt8(ascii: "H"): scale = 3_600_000_000_000
    case UInt8(ascii: "M"): scale = 60_000_000_000
    case UInt8(ascii: "S"): scale = 1_000_000_000
    case UInt8(ascii: "m"): scale = 1_000_000
    case UInt8(ascii: "u"): scale = 1_000
    case UInt8(ascii: "n"): scale = 1
    default: return nil
    }
    return scaled(amount, scale)
  }

  /// Parses `connect-timeout-ms`: 1 to 10 digits.
  public static func parseConnect(_ text: some Collection<UInt8>) -> UInt64? {
    ASCII.decimal(text, maximumDigits: 10).map { scaled($0, 1_000_000) }
  }

  /// Writes nanoseconds as `grpc-timeout`, rounded up to the finest unit with 8 digits.
  public static func formatGRPC(_ nanoseconds: UInt64) -> String {
    let units: [(UInt64, String)] = [
      (1, "n"), (1_000, "u"), (1_000_000, "m"), (1_000_000_000, "S"), (60_000_000_000, "M"),
      (3_600_000_000_000, "H"),
    ]
    for (scale, name) in units {
      let amount = nanoseconds / scale + (nanoseconds % scale == 0 ? 0 : 1)
      if amount <= 99_999_999 { return "\(amount)\(name)" }
    }
    return "99999999H"
  }

  private static func scaled(_ amount: UInt64, _ scale: UInt64) -> UInt64 {
    let (product, overflow) = amount.multipliedReportingOverflow(by: scale)
    return overflow ? longest : min(product, longest)
  }

  /// Half the range, so that adding it to a clock cannot overflow.
  public static let longest = UInt64(Int64.max / 2)
}
