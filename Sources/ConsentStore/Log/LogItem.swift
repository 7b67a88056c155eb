internal import ConsentCore

/// What one leaf is made of, before it has its place.
protocol LogItem: Sendable {
  associatedtype Logged: LoggedItem

  /// The state of the feed it is of.
  var head: FeedHead { get }
  /// The instant it is listed at.
  var at: Instant { get }

  /// Its canonical form as a record at `id`.
  func append(to form: inout CanonicalBytes, id: DecisionID, organization: OrganizationID)
  func logged(_ id: DecisionID, _ receipt: LogReceipt) -> Logged
}

/// A leaf as it may be answered.
protocol LoggedItem: Sendable {
  var receipt: LogReceipt? { get set }
}

extension LoggedDecision: LoggedItem {}

struct DecisionItem: LogItem {
  var entry: DecisionEntry
  /// The head the decision was taken at.
  var head: FeedHead

  var at: Instant { entry.decision.at }

  func append(to form: inout CanonicalBytes, id: DecisionID, organization: OrganizationID) {
    LogRecord.append(to: &form, entry: entry, id: id, head: head, organization: organization)
  }

  func logged(_ id: DecisionID, _ receipt: LogReceipt) -> LoggedDecision {
    LoggedDecision(id: id, entry: entry, head: head, receipt: receipt)
  }
}

struct ActivityItem: LogItem {
  var activity: Activity
  var head: FeedHead
  var at: Instant

  func append(to form: inout CanonicalBytes, id: DecisionID, organization: OrganizationID) {
    ActivityRecord.append(
      to: &form, activity, id: id, head: head, organization: organization)
  }

  func logged(_ id: DecisionID, _ receipt: LogReceipt) -> LoggedActivity {
    LoggedActivity(id: id, activity: activity, head: head, receipt: receipt)
  }
}

struct LoggedActivity: LoggedItem {
  var id: DecisionID
  var activity: Activity
  var head: FeedHead
  var receipt: LogReceipt?

  /// `nil` for what tells of logs or of the feed.
  var access: LoggedAccess? {
    guard case .access(let access) = activity else { return nil }
    return LoggedAccess(id: id, access: access, head: head, receipt: receipt)
  }
}
