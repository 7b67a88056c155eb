public import SwiftProtobuf

/// The messages of a streaming caller, in order; to be iterated once.
///
/// A message is taken out of the flow-control window only when the handler takes it, so a slow
/// handler slows its caller. Iterating ends at the caller's half-close.
///
/// - Throws: `CancellationError` when the caller went away or its deadline passed; `RPCError` for
///   a message that cannot be read.
public struct RequestStream<Request: Message & Sendable>: AsyncSequence, Sendable {
  public typealias Element = Request

  let call: ServerCall

  public struct AsyncIterator: AsyncIteratorProtocol {
    let call: ServerCall

    public mutating func next() async throws -> Request? {
      guard let bytes = try await call.nextRequest() else { return nil }
      return try call.decode(bytes)
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(call: call) }
}
