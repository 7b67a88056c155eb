import RPCWire
import SwiftProtobuf

/// Errors the transport itself answers with.
enum StandardErrors {
  static let deadlineExceeded = RPCError(
    .deadlineExceeded, "the time the caller allowed ran out; allow more or ask for less")

  /// Refused before decoding, so a retry is always safe.
  static let overloaded = RPCError(
    .unavailable, "the server is busy; retry after the delay given", details: [retry(after: 1)])

  static let shuttingDown = RPCError(
    .unavailable, "the server is shutting down; retry on a new connection",
    details: [retry(after: 1)])

  static let bodyStalled = RPCError(
    .deadlineExceeded, "the request made no progress; send it without pauses")

  static let messageTooLong = RPCError(
    .resourceExhausted, "the message is above the limit; send less at a time")

  static let assemblingTooMuch = RPCError(
    .resourceExhausted,
    "too many unfinished messages on one connection; finish some, or open another",
    details: [retry(after: 1)])

  static let unreadAnswers = RPCError(
    .resourceExhausted,
    "too many answers wait unread on this connection; read them, then retry",
    details: [retry(after: 1)])

  static let inflatingTooMuch = RPCError(
    .resourceExhausted,
    "too many large compressed messages at once; retry after the delay given, or send it plain",
    details: [retry(after: 1)])

  static let unanswered = RPCError(
    .internal, "the service let the call go without an answer; its log has more")

  static let noSuchMethod = RPCError(
    .unimplemented, "no such method; list the methods with server reflection")

  private static func retry(after seconds: Int64) -> RPCErrorDetail {
    RPCErrorDetail(
      Google_Rpc_RetryInfo.with { $0.retryDelay = .with { $0.seconds = seconds } })
  }
}
