import ConsentCore
import ConsentStore
import Logging

/// The guarded clock of this process: what it tells the log, and what it is compared with.
extension GuardedClock {
  static func ofProcess(_ logger: Logger) -> GuardedClock {
    GuardedClock(
      SystemWallClock(),
      report: { state in
        let level: Logger.Level =
          state.isDoubt ? .critical : state == .steady ? .notice : .warning
        logger.log(level: level, "clock", metadata: ["state": "\(state.text)"])
      })
  }

  /// Compares the start with the newest record of all organizations.
  func compare(
    with store: PostgresConsentStore, _ organizations: [OrganizationSettings]
  ) async throws {
    var newest: Instant?
    for organization in organizations {
      do {
        let known = try await store.read(organization.id) { reader in
          reader.head.position == 0 ? nil : reader.head.known
        }
        newest = [newest, known].compactMap { $0 }.max()
      } catch StoreError.unreadable {
        // It is not served either; the others are.
        continue
      }
    }
    compare(newestRecord: newest)
  }
}
