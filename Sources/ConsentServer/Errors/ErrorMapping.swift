import ConsentCore
import ConsentStore
import EventFeed
import Reporting

// The one place where the errors of other layers become the service's. No `switch` has a default,
// so that a new error does not compile before it has its place.

extension ServiceError {
  /// - Returns: `nil` for an error of no known kind, which is a fault of ours.
  init?(mapping error: any Error) {
    switch error {
    case let error as ServiceError: self = error
    case let error as StoreError: self.init(error)
    case let error as CommandRefusal: self.init(error)
    case let error as WatchError: self.init(error)
    case let error as ReportError: self.init(error)
    case let error as InvalidChange:
      self = .failedPrecondition(reason: "CONTRADICTS_RECORD", error.message)
    default: return nil
    }
  }

  init(_ error: StoreError) {
    self =
      switch error {
      case .unavailable: .unavailable("the database cannot answer now")
      case .overloaded: .resourceExhausted("too many requests are waiting; retry later")
      case .idempotencyConflict:
        .alreadyExists("the idempotency key was used with other content; use a new key")
      case .unknownOrganization: .notFound(kind: "organization", name: "")
      case .duplicateEvent:
        .failedPrecondition(
          reason: "ALREADY_RECORDED", "this has been recorded already; read it instead")
      case .grantEnded(let grant):
        .failedPrecondition(
          reason: "GRANT_ENDED", "grant \(grant) has ended already; read the instrument again")
      case .unreadable: .internalFault
      }
  }

  init(_ refusal: CommandRefusal) {
    self =
      switch refusal {
      case .invalid(let violations):
        .invalidArgument(
          violations.map { InvalidField(field: $0.field, description: $0.description) },
          reason: "INVALID_FIELD")
      case .notAllowed(let rule, let description):
        .failedPrecondition(reason: rule, description)
      case .unknownRecord(let reference):
        .notFound(kind: reference.kind.name, name: reference.id.description)
      }
  }

  init(_ error: WatchError) {
    self =
      switch error {
      case .historyReplaced(let position):
        .historyReplaced(at: position)
      case .unavailable: .unavailable("the feed could not be read for some time")
      case .tooManyStreams:
        .resourceExhausted("this node takes no more streams; watch another node, or later")
      }
  }

  init(_ error: ReportError) {
    self =
      switch error {
      case .tooManyRows(let limit):
        .failedPrecondition(
          reason: "TOO_MANY_ROWS",
          "the report has more than \(limit) rows; leave a dimension out, or narrow the selection")
      case .notFound(let kind): .notFound(kind: kind.name, name: "")
      case .grantNotFound: .notFound(kind: "GRANT", name: "")
      case .outOfRange(let field): .invalid(field, "is out of its range")
      }
  }

  static func historyReplaced(at position: UInt64) -> ServiceError {
    .failedPrecondition(
      reason: "HISTORY_REPLACED",
      "the feed holds another history at position \(position); drop what you keep and start over")
  }
}
