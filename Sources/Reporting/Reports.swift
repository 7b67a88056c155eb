public import ConsentCore
public import ConsentStore

/// The reports of one organization: values out, one file per report, each an extension of this.
///
/// Every report is taken at one feed position, which it carries, and permits nothing.
public struct Reports: Sendable {
  let store: any ConsentStore
  let organization: OrganizationID

  public init(store: any ConsentStore, organization: OrganizationID) {
    self.store = store
    self.organization = organization
  }
}

/// Why a report cannot be made as asked. Each says what the caller changes.
public enum ReportError: Error, Hashable, Sendable {
  /// More different rows than a report holds: leave a dimension out, or narrow the selection.
  case tooManyRows(limit: Int)
  /// The record the report is about is not recorded.
  case notFound(RecordKind)
  case grantNotFound
  /// The field is outside its range.
  case outOfRange(String)
}

/// Half-open: `from` inclusive, `until` exclusive; `nil` = open.
public struct ReportPeriod: Hashable, Sendable {
  public var from: Instant?
  public var until: Instant?

  public init(from: Instant? = nil, until: Instant? = nil) {
    self.from = from
    self.until = until
  }

  func contains(_ instant: Instant) -> Bool {
    (from.map { $0 <= instant } ?? true) && (until.map { instant < $0 } ?? true)
  }
}
