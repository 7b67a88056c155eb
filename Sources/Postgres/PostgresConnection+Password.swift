internal import CLibpq

extension PostgresConnection {
  /// The SCRAM-SHA-256 verifier (RFC 5803) of a password, with a new salt: what the server stores,
  /// so that the password itself need not be sent. Computed here; nothing is sent.
  /// - Throws: `.misuse` when libpq cannot make one.
  public func scramVerifier(
    of password: String, role: String
  ) throws(PostgresError) -> String {
    guard let text = unsafe PQencryptPasswordConn(handle, password, role, "scram-sha-256") else {
      throw PostgresError(.misuse, "no SCRAM verifier of the password could be made")
    }
    defer { unsafe PQfreemem(text) }
    return unsafe String(cString: text)
  }
}
