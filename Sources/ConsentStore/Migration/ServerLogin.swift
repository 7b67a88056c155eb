public import Postgres

/// The login with which the server opens its store.
public enum ServerLogin {
  public static let role = "consentd_server"

  /// Gives `consentd_server` a password. Connect as an administrator.
  public static func setPassword(
    _ password: String, _ configuration: PostgresConfiguration
  ) throws(PostgresError) {
    let connection = try PostgresConnection(configuration)
    // The server may log the statement and keep it in views, so it never holds the password.
    let verifier = try connection.scramVerifier(of: password, role: role)
    // The statement takes no parameters, so the server itself quotes the verifier into it.
    let script: String = try connection.execute(.alter, verifier).single().get(0)
    try connection.execute(script: script, name: "alter_server_password")
  }
}

extension PostgresStatement {
  fileprivate static let alter = PostgresStatement(
    name: "server_password",
    sql: "SELECT pg_catalog.format('ALTER ROLE consentd_server PASSWORD %L', $1)")
}
