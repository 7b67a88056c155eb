public import ConsentCore

/// Why the store could not do what was asked. Each says what the caller does next.
public enum StoreError: Error, Hashable, Sendable {
  /// The database cannot be reached or may not be trusted now; nothing was answered. Retry.
  case unavailable(String)
  /// The queue is full; nothing was begun. Retry later.
  case overloaded
  /// The idempotency key was used with other content. Use a new key.
  case idempotencyConflict
  case unknownOrganization
  /// The event had been recorded before; the change is not made twice.
  case duplicateEvent(kind: EventKind, subject: String)
  /// The grant version has ended already, by exactly one event.
  case grantEnded(GrantID)
  /// Stored data does not read as this version expects; the service stops answering for it.
  case unreadable(String)
}
