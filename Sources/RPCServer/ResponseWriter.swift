public import SwiftProtobuf

/// Where a streaming handler sends its answers.
public struct ResponseWriter<Response: Message & Sendable>: Sendable {
  let call: ServerCall

  /// Sends one message.
  ///
  /// Suspends while more than 64 KiB of the stream wait to be sent, until half of it has left.
  ///
  /// - Throws: `CancellationError` when the caller went away, its deadline passed, or the task was
  ///   cancelled; `RPCError` 8 when the message is above the size limit. Let both propagate.
  public func send(_ message: Response) async throws {
    try await call.send(try call.encode(message))
  }

  /// Sends the headers of the reply before the first message is known, so that the caller sees
  /// the stream established.
  public func sendHeaders() { call.sendHeaders() }
}
