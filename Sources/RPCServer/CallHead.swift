import HTTP2

/// All that the head of a call says: worked out once, and shared by every call of a connection that
/// begins with the same bytes, as the calls of one client to one method do.
///
/// INVARIANT: it depends on the header list and on the server's unchanging configuration alone, never
/// on the connection, the clock or an earlier call; but for `promptMemory`, and a head is never shared
/// between connections.
final class CallHead: Sendable {
  let plan: CallPlan
  let fields: HTTP2Fields
  /// The origin to name in the reply's CORS fields.
  let corsOrigin: [UInt8]?
  let preparedHead: HTTP2PreparedFields?
  /// The prompt interceptor's own. On the connection's loop only, as the interceptor is.
  nonisolated(unsafe) var promptMemory: PromptMemory?

  init(plan: CallPlan, fields: HTTP2Fields, corsOrigin: [UInt8]?) {
    self.plan = plan
    self.fields = fields
    self.corsOrigin = corsOrigin
    preparedHead =
      plan.codec.form == .grpc && corsOrigin == nil
      ? ReplyTables.grpcHead(for: plan.contentType) : nil
  }

  /// Longer lists are worked out each time rather than kept for as long as a connection is idle.
  private static let longestKept = 2_048

  var isWorthKeeping: Bool { plan.refusal == nil && fields.listSize <= Self.longestKept }
}
