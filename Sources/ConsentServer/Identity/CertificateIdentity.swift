/// One thing a client certificate says of its holder, by which an entry can name it.
///
/// The rule: an entry names one subject alternative name, as `URI:`, `DNS:` or `email:` with the
/// name after it, or pins one certificate as `sha256:` and the hash of its DER. Names are compared
/// exactly, byte by byte, without wildcards; DNS names in lower case. The subject's common name is
/// not looked at: it has no type, so that a person's, a host's and a service's cannot be told apart
/// (RFC 9525 §2). Which certificates are believed at all is the client authorities' matter.
enum CertificateIdentity: Hashable, Sendable {
  case uri(String)
  case dns(String)
  case email(String)
  case pin([UInt8])

  /// `nil` for text of another form.
  init?(_ text: String) {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let value = String(text[text.index(after: colon)...])
    guard !value.isEmpty else { return nil }
    switch text[..<colon] {
    case "URI": self = .uri(value)
    case "DNS":
      guard !value.contains("*") else { return nil }
      self = .dns(value.lowercased())
    case "email": self = .email(value)
    case "sha256":
      guard let hash = bytes(hexadecimal: value), hash.count == 32 else { return nil }
      self = .pin(hash)
    default: return nil
    }
  }
}
