/// When a token holds, leeway included, in microseconds since 1970: it is refused before the first
/// two and from the last. A claim that is absent, or no date, bounds nothing here; whether it may be
/// absent is `JWTVerifier`'s to say.
struct TokenTimes: Sendable {
  let notBefore: Int64
  let issuedAt: Int64
  let end: Int64
}

extension TokenTimes {
  /// - Parameter leeway: in microseconds, at most 300 seconds, so that no sum overflows
  ///   (`TokenClaims.instant`).
  init(_ claims: TokenClaims, leeway: Int64) {
    notBefore = claims.instant("nbf").map { $0 - leeway } ?? .min
    issuedAt = claims.instant("iat").map { $0 - leeway } ?? .min
    end = claims.instant("exp").map { $0 + leeway } ?? .max
  }
}
