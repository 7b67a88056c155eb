public import RPCServer

import RPCWire
import SwiftProtobuf

/// What a handler can throw: whose fault, which field, and what to do next. It is turned into a
/// status in one place, below; no text in it holds patient data.
public enum ServiceError: Error, Hashable, Sendable {
  /// The request cannot be understood; nothing was stored. Each field is named.
  case invalidArgument([InvalidField], reason: String)
  case notFound(kind: String, name: String)
  /// The idempotency key was used with other content, or the thing exists.
  case alreadyExists(String)
  /// The state of the register forbids it; the text says what to do first.
  case failedPrecondition(reason: String, String)
  /// Another version than the caller named is the newest; it reads again and decides anew.
  case aborted(String)
  case unauthenticated(String)
  case permissionDenied(method: String)
  case resourceExhausted(String)
  /// Nothing was answered: no answer and no DENY. Retry.
  case unavailable(String)
  case unimplemented(method: String)
  /// A logged decision taken again came out otherwise: the log or the rules have been changed.
  case replayDiffers([String])
  /// The stored records of a log do not give its stored root: somebody changed one of them.
  case logDiffers(log: String)
  case internalFault

  public static func invalid(_ field: String, _ description: String) -> ServiceError {
    .invalidArgument(
      [InvalidField(field: field, description: description)], reason: "INVALID_FIELD")
  }
}

extension ServiceError {
  /// The domain of every `google.rpc.ErrorInfo` of this service.
  static let domain = "consent.v1"

  public var rpcError: RPCError {
    switch self {
    case .invalidArgument(let violations, let reason):
      var bad = Google_Rpc_BadRequest()
      bad.fieldViolations = violations.prefix(32).map { violation in
        var field = Google_Rpc_BadRequest.FieldViolation()
        field.field = violation.field
        field.description_p = violation.description
        field.reason = violation.reason ?? ""
        return field
      }
      let first = violations.first.map { "\($0.field): \($0.description)" } ?? reason
      return error(.invalidArgument, reason, first, [RPCErrorDetail(bad)])
    case .notFound(let kind, let name):
      var resource = Google_Rpc_ResourceInfo()
      resource.resourceType = kind
      resource.resourceName = name
      return error(
        .notFound, "NOT_FOUND", "no such \(kind) in this organization", [RPCErrorDetail(resource)])
    case .alreadyExists(let text):
      return error(.alreadyExists, "ALREADY_EXISTS", text)
    case .failedPrecondition(let reason, let text):
      return error(.failedPrecondition, reason, text)
    case .aborted(let text):
      return error(.aborted, "VERSION_CHANGED", text)
    case .unauthenticated(let text):
      return error(.unauthenticated, "UNAUTHENTICATED", text)
    case .permissionDenied(let method):
      return error(
        .permissionDenied, "ROLE_REQUIRED",
        "your roles do not allow \(method); ask an administrator for the role it needs")
    case .resourceExhausted(let text):
      return error(.resourceExhausted, "RESOURCE_EXHAUSTED", text, [retry])
    case .unavailable(let text):
      return error(
        .unavailable, "UNAVAILABLE", text + "; this is no answer and no DENY, retry", [retry])
    case .unimplemented(let method):
      return error(.unimplemented, "UNIMPLEMENTED", "\(method) is not served by this version")
    case .replayDiffers(let parts):
      return error(
        .dataLoss, "EXPLANATION_DIFFERS",
        "the decision taken again differs in " + parts.joined(separator: ", ")
          + "; report this to whoever runs the service")
    case .logDiffers(let log):
      return error(
        .dataLoss, "LOG_DIFFERS",
        "the records of log \(log) are not those its root was made of; verify an export of it with "
          + "`consentctl verify log` and report this to whoever runs the service")
    case .internalFault:
      return error(
        .internal, "INTERNAL", "a fault of the service; its log has the detail, nothing was stored")
    }
  }

  private var retry: RPCErrorDetail {
    var info = Google_Rpc_RetryInfo()
    info.retryDelay = Google_Protobuf_Duration(seconds: 1, nanos: 0)
    return RPCErrorDetail(info)
  }

  private func error(
    _ code: RPCCode, _ reason: String, _ text: String, _ details: [RPCErrorDetail] = []
  ) -> RPCError {
    var info = Google_Rpc_ErrorInfo()
    info.reason = reason
    info.domain = ServiceError.domain
    return RPCError(code, text, details: [RPCErrorDetail(info)] + details)
  }
}
