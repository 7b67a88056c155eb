/// When a token holds, leeway included, in microseconds since 1970: it is refused before the first
/// two and from the last. A claim that is absent, or no date, bounds nothing here; whether it may be
/// absent is `JWTVerifier`'s to say.
struct TokenTimes: Sendable {
  let notBefore: Int64
  let issuedAt: Int64
  let end: Int64
}

extension TokenTimes {
  /// The instants at which it holds.
  var span: ClosedRange<Int64> {
    let first = max(notBefore, issuedAt)
    // A token that never holds was not found good; of such a one no later look is spared.
    guard first < end else { return Int64.min...Int64.min }
    return first...(end - 1)
  }

  /// - Parameter leeway: in microseconds, at most 300 seconds, so that no sum overflows
  ///   (`TokenClaims.instant`).
  init(_ claims: TokenClaims, leeway: Int64) {
    notBefore = claims.instant("nbf").map { $0 - leeway } ?? .min
    issuedAt = claims.instant("iat").map { $0 - leeway } ?? .min
    end = claims.instant("exp").map { $0 + leeway } ?? .max
  }
}
