import Postgres
import Testing

/// What a session relies on holds whatever an administrator has set for the database.
@Suite(.timeLimit(.minutes(2))) struct PostgresSettingsTests {
  @Test(arguments: [
    ("synchronous_commit", "off", "on"), ("row_security", "off", "on"),
    ("TimeZone", "Asia/Tokyo", "UTC"), ("statement_timeout", "1min", "0"),
    // Not for safety: a kept plan that seems dear would be compiled at each execution, for tens of
    // milliseconds.
    ("jit", "on", "off"),
  ])
  func aSettingOfTheDatabaseDoesNotCount(name: String, other: String, ours: String) async throws {
    let database = try await Database.makeWhole()
    try database.connect().execute(
      script: "ALTER DATABASE \(database.name) SET \(name) = '\(other)'")
    let setting = try database.connect().execute(statement("SHOW \(name)")).single()
    #expect(try setting.get(0, as: String.self) == ours)
  }
}
