internal import CLibpq

/// What must be known of a conninfo before libpq connects with it, so that no error can repeat its
/// password: libpq quotes what it takes for a host or a port, and in a malformed string that may be
/// a part of the password.
struct ConnectionString {
  /// Empty when there is none.
  let password: String

  /// - Throws: `.connectFailed` with fixed text when the string cannot be trusted to be read as meant.
  init(_ text: String) throws(PostgresError) {
    let isURI = text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    // Anything else is the name of a database.
    guard isURI || text.contains("=") else {
      password = ""
      return
    }
    if isURI, !Self.hasPlainAuthority(text) {
      throw PostgresError(
        .connectFailed,
        "the connection URI cannot be read: write \"@\" as %40 and \"/\" as %2F, "
          + "unless they end its password or its host")
    }
    guard let options = unsafe PQconninfoParse(text, nil) else {
      throw PostgresError(
        .connectFailed,
        isURI
          ? "the connection URI cannot be read: percent-encode what is special in its password"
          : "the connection string cannot be read: put values with spaces in single quotes")
    }
    defer { unsafe PQconninfoFree(options) }
    var found = ""
    var option = unsafe options
    while let keyword = unsafe option.pointee.keyword {
      if unsafe String(cString: keyword) == "password", let value = unsafe option.pointee.val {
        found = unsafe String(cString: value)
      }
      unsafe option += 1
    }
    password = found
  }

  /// Whether the only "@" before the parameters is the one between user and host.
  private static func hasPlainAuthority(_ text: String) -> Bool {
    guard let scheme = text.firstRange(of: "://") else { return false }
    let rest = text[scheme.upperBound...].prefix { $0 != "?" }
    let authority = rest.prefix { $0 != "/" }
    let signs = rest.count { $0 == "@" }
    return signs == 0 || (signs == 1 && authority.contains("@"))
  }
}
