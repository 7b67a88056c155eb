/// The outcome of a call, as gRPC numbers it; Connect and HTTP names are derived from it.
///
/// - Source: grpc/grpc `doc/statuscodes.md`; Connect protocol, "Error codes".
public enum RPCCode: UInt8, Sendable, CaseIterable, Hashable {
  case ok = 0
  /// The caller no longer wants the answer.
  case cancelled = 1
  /// A fault the service did not classify; its text is fixed and the details are only logged.
  case unknown = 2
  /// The request is wrong whatever the state of the system; correct it before trying again.
  case invalidArgument = 3
  /// The time the caller allowed ran out; the work may or may not have been done.
  case deadlineExceeded = 4
  case notFound = 5
  case alreadyExists = 6
  /// The caller is known and may not do this.
  case permissionDenied = 7
  /// A quota, size or rate limit; wait as RetryInfo says, or send less.
  case resourceExhausted = 8
  /// The state of the system forbids it; retrying without changing that state is pointless.
  case failedPrecondition = 9
  /// A conflict with a concurrent change; begin again at a higher level.
  case aborted = 10
  case outOfRange = 11
  /// No such method, or a feature of the protocol this server does not have.
  case unimplemented = 12
  /// An invariant of the protocol or of the service was broken.
  case `internal` = 13
  /// The service cannot answer at present; retry with backoff.
  case unavailable = 14
  case dataLoss = 15
  /// The caller is not known; present valid credentials.
  case unauthenticated = 16

  /// The name in Connect's error JSON.
  public var connectName: String {
    switch self {
    case .ok: "ok"
    case .cancelled: "canceled"
    case .unknown: "unknown"
    case .invalidArgument: "invalid_argument"
    case .deadlineExceeded: "deadline_exceeded"
    case .notFound: "not_found"
    case .alreadyExists: "already_exists"
    case .permissionDenied: "permission_denied"
    case .resourceExhausted: "resource_exhausted"
    case .failedPrecondition: "failed_precondition"
    case .aborted: "aborted"
    case .outOfRange: "out_of_range"
    case .unimplemented: "unimplemented"
    case .internal: "internal"
    case .unavailable: "unavailable"
    case .dataLoss: "data_loss"
    case .unauthenticated: "unauthenticated"
    }
  }

  /// The HTTP status of a Connect unary error.
  public var httpStatus: Int {
    switch self {
    case .ok: 200
    case .cancelled: 499
    case .invalidArgument, .failedPrecondition, .outOfRange: 400
    case .unauthenticated: 401
    case .permissionDenied: 403
    case .notFound: 404
    case .alreadyExists, .aborted: 409
    case .resourceExhausted: 429
    case .unimplemented: 501
    case .unavailable: 503
    case .deadlineExceeded: 504
    case .unknown, .internal, .dataLoss: 500
    }
  }

  /// What a client reads from an HTTP reply that carries no grpc-status.
  ///
  /// - Source: grpc/grpc `doc/http-grpc-status-mapping.md`.
  public init(httpStatusWithoutGRPCStatus status: Int) {
    self =
      switch status {
      case 400, 431: .internal
      case 401: .unauthenticated
      case 403: .permissionDenied
      case 404: .unimplemented
      case 429, 502, 503, 504: .unavailable
      default: .unknown
      }
  }
}
