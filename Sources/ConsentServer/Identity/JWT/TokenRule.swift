/// What a signed token has to satisfy, in the order in which it is looked at. A token that breaks a
/// rule is refused for it; the texts say what to do and repeat nothing of the token.
///
/// - Source: RFC 7519 §7.2, RFC 8725 §3.
enum TokenRule: CaseIterable, Sendable {
  /// Three parts of base64url: a header and claims in JSON.
  case form
  /// No extension that has to be understood (`crit`, RFC 7515 §4.1.11).
  case critical
  /// `typ` is absent, JWT or at+jwt (RFC 9068 §2.1): a token of another kind is not for access.
  case type
  case issuer
  case key
  case algorithm
  case signature
  case audience
  case expiry
  case notBefore
  case issuedAt
  case organization
  case name

  var refusal: ServiceError {
    let text =
      switch self {
      case .form: "the token is not a JWT of at most 8 KiB; ask the issuer for another one"
      case .critical: "the token has an extension (crit) that is not known here"
      case .type: "the token is no access token (typ); ask the issuer for one"
      case .issuer:
        "the token's issuer (iss) is not known here; have it entered in the issuers file"
      case .key: "the token's key (kid) is not in the issuer's key set; have the set fetched again"
      case .algorithm: "the token's algorithm (alg) is not the one of its key"
      case .signature: "the token's signature does not fit; ask the issuer for a new one"
      case .audience: "the token is for another audience (aud); ask for one for this service"
      case .expiry: "the token has expired, or says no expiry (exp); ask for a new one"
      case .notBefore: "the token is not valid yet (nbf); compare the clocks, or wait"
      case .issuedAt: "the token was issued in the future (iat); compare the clocks"
      case .organization: "the token names no organization that its issuer may speak for"
      case .name: "the token does not name its caller in at most 128 printable characters"
      }
    return .unauthenticated(text)
  }
}
