/// Why the schema of a database cannot be used or brought up to date.
public enum SchemaError: Error, Hashable, Sendable {
  /// A migration was applied with other content than this binary has. Use the binary it came from.
  case changedChecksum(version: Int)
  /// The database was migrated by a newer binary. Use that one, or restore a backup.
  case newerSchema(version: Int)
  /// Migrations are missing: run the migrator with an administrator's login first.
  case notMigrated(missing: Int)
  /// A migration's text is not UTF-8.
  case unreadableMigration(version: Int)
}
