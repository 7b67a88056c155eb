/// Which roles a scope gives. Scopes are compared exactly: one that is not in the table, such as a
/// narrower `system/Consent.rs?patient=1`, gives nothing.
enum ScopeTable {
  /// For scopes in the style of SMART Backend Services (SMART App Launch 2.2, "Scopes for requesting
  /// FHIR Resources"), of versions 1 and 2. Nobody becomes an administrator, or sees Part 2, by
  /// default.
  static let smart: [String: Set<Role>] = [
    "system/Consent.read": [.checker],
    "system/Consent.rs": [.checker],
    "system/Consent.write": [.recorder],
    "system/Consent.cud": [.recorder],
    "system/Consent.*": [.checker, .recorder],
    "system/Consent.cruds": [.checker, .recorder],
    "system/MeasureReport.read": [.reporter],
    "system/MeasureReport.rs": [.reporter],
    "system/AuditEvent.read": [.auditor],
    "system/AuditEvent.rs": [.auditor],
  ]
}
