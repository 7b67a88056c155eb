public import Postgres

/// Brings the schema of one database up to date, all pending steps in one transaction.
///
/// Connect as an administrator who may create roles. An advisory lock (the only one in the product)
/// lets one migrator in at a time.
public struct Migrator: Sendable {
  /// "consentd" in ASCII.
  private static let lockKey: Int64 = 0x63_6F6E_7365_6E74
  private let migrations: [Migration]

  public init(_ migrations: [Migration] = Migration.all) { self.migrations = migrations }

  /// - Returns: how many migrations were applied.
  /// - Throws: `SchemaError`, `PostgresError`; the database is then as it was.
  @discardableResult
  public func migrate(_ configuration: PostgresConfiguration) throws -> Int {
    var configuration = configuration
    configuration.lockTimeoutMilliseconds = 60_000
    configuration.idleInTransactionTimeoutMilliseconds = 60_000
    configuration.responseTimeout = .seconds(3_600)
    let connection = try PostgresConnection(configuration)
    return try connection.transaction { connection in
      try connection.execute(.lock, Self.lockKey)
      let applied = try Self.applied(connection)
      let pending = try Self.pending(migrations, applied: applied)
      for migration in pending {
        guard let script = String(validating: migration.sql, as: UTF8.self) else {
          throw SchemaError.unreadableMigration(version: migration.version)
        }
        try connection.execute(script: script, name: "migration \(migration.version)")
        try connection.execute(.becomeOwner)
        try connection.execute(
          .record, Int32(clamping: migration.version), migration.name, migration.sha256)
        try connection.execute(.becomeSelf)
      }
      return pending.count
    }
  }

  /// Whether a server with these migrations may use the database.
  func verify(_ connection: PostgresConnection) throws {
    let pending = try Self.pending(migrations, applied: Self.applied(connection))
    guard pending.isEmpty else { throw SchemaError.notMigrated(missing: pending.count) }
  }

  private static func applied(_ connection: PostgresConnection) throws -> [Int: [UInt8]] {
    guard try connection.execute(.exists).single().get(0, as: Bool.self) else { return [:] }
    var applied: [Int: [UInt8]] = [:]
    for row in try connection.execute(.list).rows {
      let (version, checksum) = try row.decode(Int32.self, [UInt8].self)
      applied[Int(version)] = checksum
    }
    return applied
  }

  private static func pending(
    _ migrations: [Migration], applied: [Int: [UInt8]]
  ) throws -> [Migration] {
    let known = Dictionary(uniqueKeysWithValues: migrations.map { ($0.version, $0) })
    for (version, checksum) in applied.sorted(by: { $0.key < $1.key }) {
      guard let migration = known[version] else { throw SchemaError.newerSchema(version: version) }
      guard migration.sha256 == checksum else {
        throw SchemaError.changedChecksum(version: version)
      }
    }
    return migrations.filter { applied[$0.version] == nil }.sorted { $0.version < $1.version }
  }
}

extension PostgresStatement {
  fileprivate static let lock = PostgresStatement(
    name: "migration_lock", sql: "SELECT pg_catalog.pg_advisory_xact_lock($1)")
  fileprivate static let exists = PostgresStatement(
    name: "migration_exists",
    sql: "SELECT pg_catalog.to_regclass('consentd.schema_migration') IS NOT NULL")
  fileprivate static let list = PostgresStatement(
    name: "migration_list", sql: "SELECT version, sha256 FROM consentd.schema_migration")
  fileprivate static let record = PostgresStatement(
    name: "migration_record",
    sql: "INSERT INTO consentd.schema_migration (version, name, sha256) VALUES ($1, $2, $3)")
  fileprivate static let becomeOwner = PostgresStatement(
    name: "migration_owner", sql: "SET LOCAL ROLE consentd_owner")
  fileprivate static let becomeSelf = PostgresStatement(
    name: "migration_self", sql: "RESET ROLE")
}
