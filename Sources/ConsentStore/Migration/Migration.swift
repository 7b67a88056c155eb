internal import Crypto

/// One numbered step of the schema, as embedded in this binary.
public struct Migration: Sendable, Hashable {
  public var version: Int
  public var name: String
  public var sql: [UInt8]

  public init(version: Int, name: String, sql: [UInt8]) {
    self.version = version
    self.name = name
    self.sql = sql
  }

  public var sha256: [UInt8] { Array(SHA256.hash(data: sql)) }

  /// Every file of `Schema/`, in order; a test compares this list with the folder.
  public static let all: [Migration] = [
    Migration(version: 1, name: "roles", sql: PackageResources._001_roles_sql),
    Migration(version: 2, name: "feed", sql: PackageResources._002_feed_sql),
    Migration(version: 3, name: "records", sql: PackageResources._003_records_sql),
    Migration(version: 4, name: "identity", sql: PackageResources._004_identity_sql),
    Migration(version: 5, name: "work", sql: PackageResources._005_work_sql),
    Migration(version: 6, name: "decision_log", sql: PackageResources._006_decision_log_sql),
    Migration(version: 7, name: "row_security", sql: PackageResources._007_row_security_sql),
    Migration(version: 8, name: "proof_log", sql: PackageResources._008_proof_log_sql),
    Migration(
      version: 9, name: "decision_lookup", sql: PackageResources._009_decision_lookup_sql),
    Migration(version: 10, name: "disclosure", sql: PackageResources._010_disclosure_sql),
    Migration(
      version: 11, name: "log_compression", sql: PackageResources._011_log_compression_sql),
    Migration(version: 12, name: "decision_runs", sql: PackageResources._012_decision_runs_sql),
    Migration(version: 13, name: "closed_logs", sql: PackageResources._013_closed_logs_sql),
    Migration(version: 14, name: "activity_logs", sql: PackageResources._014_activity_logs_sql),
    Migration(
      version: 15, name: "records_by_their_differences",
      sql: PackageResources._015_records_by_their_differences_sql),
  ]
}
