internal import Postgres

/// The one place where the database's errors become the store's.
enum StoreFailure {
  static func `public`(_ error: any Error) -> any Error {
    guard let error = error as? PostgresError else { return error }
    if error.isUniqueViolation() { return InvalidChange("the record is recorded already") }
    if error.isForeignKeyViolation() {
      return InvalidChange("a record refers to one that is not recorded")
    }
    // Class 22 and values that have no binary form: the caller's data.
    if error.isCheckViolation() || error.sqlState?.hasPrefix("22") == true {
      return InvalidChange("a value cannot be stored")
    }
    if error.isDiskFull {
      return StoreError.unavailable(
        "the database's disk is full and nothing can be recorded; make room on it (\(error))")
    }
    if error.isReadOnly {
      return StoreError.unavailable(
        "the database takes no writes; it is not the primary, or set to read only (\(error))")
    }
    switch error.kind {
    case .queueFull: return StoreError.overloaded
    case .decoding: return StoreError.unreadable(error.description)
    case .misuse where error.message.hasPrefix("PostgreSQL has no such value"):
      return InvalidChange("a value cannot be stored")
    default: return StoreError.unavailable(error.description)
    }
  }
}
