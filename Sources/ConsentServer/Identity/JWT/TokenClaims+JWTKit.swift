import JWTKit

extension TokenClaims: JWTPayload {
  /// Only because the protocol asks for it: nothing is signed here.
  func encode(to encoder: any Encoder) throws {
    throw EncodingError.invalidValue(
      self, .init(codingPath: [], debugDescription: "claims are read only"))
  }

  /// The signature alone is the library's to judge; what the claims say is `JWTVerifier`'s.
  func verify(using algorithm: some JWTAlgorithm) {}
}
