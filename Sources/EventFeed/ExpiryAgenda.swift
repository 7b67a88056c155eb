internal import ConsentCore

/// When the scheduler looks at each organization again: a value, without a clock of its own.
struct ExpiryAgenda: Sendable {
  struct Entry: Sendable {
    /// Something was recorded, or nothing is known yet.
    var isTouched = true
    /// By the wall clock; `nil` if nothing is planned.
    var dueAt: Instant?
    /// By uptime: not before, after a failure.
    var retryAt: Int64?
    /// By uptime: a change recorded since waits until then, so that many cost one round.
    var settledAt = Int64.min
    var failures = 0
  }

  private(set) var entries: [OrganizationID: Entry] = [:]

  mutating func follow(_ organizations: some Sequence<OrganizationID>) {
    let wanted = Set(organizations)
    entries = entries.filter { wanted.contains($0.key) }
    for organization in wanted where entries[organization] == nil {
      entries[organization] = Entry()
    }
  }

  /// Something was recorded for the organization. A failing one still waits for its retry.
  mutating func touch(_ organization: OrganizationID) {
    entries[organization, default: Entry()].isTouched = true
  }

  /// The organizations to work on, the longest due before the others.
  func ready(at now: Instant, uptime: Int64) -> [OrganizationID] {
    entries
      .filter { $0.value.isReady(at: now, uptime: uptime) }
      .sorted { ($0.value.order, $0.key) < ($1.value.order, $1.key) }
      .map(\.key)
  }

  /// Work begins: what is recorded from now on touches it again.
  mutating func begin(_ organization: OrganizationID) {
    entries[organization]?.isTouched = false
  }

  mutating func finish(_ organization: OrganizationID, nextDue: Instant?, settledAt: Int64) {
    guard let entry = entries[organization] else { return }
    entries[organization] = Entry(
      isTouched: entry.isTouched, dueAt: nextDue, settledAt: settledAt)
  }

  /// - Parameter delay: from the number of failures in a row to microseconds of uptime.
  mutating func fail(_ organization: OrganizationID, uptime: Int64, delay: (Int) -> Int64) {
    guard var entry = entries[organization] else { return }
    entry.failures += 1
    entry.isTouched = true
    entry.retryAt = uptime.addingReportingOverflow(delay(entry.failures)).partialValue
    entries[organization] = entry
  }

  /// Microseconds until something may be ready, at most `longest`.
  func sleep(at now: Instant, uptime: Int64, longest: Int64) -> Int64 {
    entries.values.reduce(longest) { shortest, entry in
      min(shortest, max(0, entry.wait(at: now, uptime: uptime)))
    }
  }
}

extension ExpiryAgenda.Entry {
  fileprivate func isReady(at now: Instant, uptime: Int64) -> Bool {
    if let retryAt, uptime < retryAt { return false }
    return isTouched && settledAt <= uptime || dueAt.map { $0 <= now } ?? false
  }

  fileprivate var order: Instant { dueAt ?? .distantFuture }

  fileprivate func wait(at now: Instant, uptime: Int64) -> Int64 {
    if let retryAt { return retryAt - uptime }
    let (toDue, overflow) = (dueAt ?? .distantFuture).microseconds
      .subtractingReportingOverflow(now.microseconds)
    let wait = overflow ? Int64.max : toDue
    // `settledAt` is an uptime or far in the past: no overflow either way.
    return isTouched ? min(wait, max(settledAt, uptime) - uptime) : wait
  }
}
