public import SwiftProtobuf

/// One callable method: its name and how to run it. Build it with one of the factories.
public struct RPCMethod: Sendable {
  public enum Shape: UInt8, Sendable, CaseIterable {
    case unary, serverStreaming, clientStreaming, bidirectional

    /// The caller may send any number of messages.
    public var streamsRequests: Bool { self == .clientStreaming || self == .bidirectional }
    /// The server may send any number of messages.
    public var streamsResponses: Bool { self == .serverStreaming || self == .bidirectional }
  }

  /// What is known of a method without running it.
  public final class Info: Sendable {
    /// `/package.Service/Method`.
    public let path: String
    /// `package.Service`.
    public let service: String
    /// `Method`.
    public let name: String
    public let shape: Shape
    /// `idempotency_level = NO_SIDE_EFFECTS`: callable by Connect GET, so its request may stand
    /// in URLs and proxy logs.
    public let noSideEffects: Bool

    let run: Run
    /// Answers on the event loop, inside the read batch; see `inlineUnary`.
    let runInline: RunInline?
    /// Begins on the event loop and answers later; see `pendingUnary`.
    let begin: Begin?

    init(
      path: String, shape: Shape, noSideEffects: Bool, run: @escaping Run,
      runInline: RunInline?, begin: Begin?
    ) {
      // INVARIANT: a method table is written by us; a malformed path is a programming error.
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      precondition(parts.count == 3 && parts[0].isEmpty, "a path is /package.Service/Method")
      self.path = path
      service = String(parts[1])
      name = String(parts[2])
      self.shape = shape
      self.noSideEffects = noSideEffects
      self.run = run
      self.runInline = runInline
      self.begin = begin
    }
  }

  typealias Run = @Sendable (ServerCall, Interceptor?) async -> Void
  typealias RunInline = @Sendable (ServerCall, [UInt8]) -> Void
  typealias Begin = @Sendable (ServerCall, [UInt8], CallContext) -> Void

  /// Everything there is: a method is copied from table to plan to call, and costs one reference.
  public let info: Info

  /// One request, one answer.
  public static func unary<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    _ handler: @escaping @Sendable (Request, CallContext) async throws -> Response
  ) -> RPCMethod {
    RPCMethod(path, .unary, noSideEffects: noSideEffects) {
      call, interceptor in
      await call.perform(interceptor) { context in
        let request: Request = try call.decode(try await call.onlyRequest())
        let response = try await handler(request, context)
        return try call.encode(response)
      }
    }
  }

  /// One request, one answer, which the handler gives later and from wherever it has it: without a
  /// task of its own, and with one change of threads for all answers that come together.
  ///
  /// The handler begins on the connection's event loop inside the read batch, so it takes
  /// microseconds and does not wait. It begins in a task elsewhere where its caller cannot be judged
  /// at once (`RPCServerConfiguration.promptInterceptor`) or its message is compressed. What it
  /// throws is the answer, unless it gave one before.
  ///
  /// - Parameter ofBytes: a handler that reads the commonest messages by itself. It is given those in
  ///   protobuf first, and returns false, having done nothing, for one that `handler` is to have: a
  ///   message that cannot be read is always among those, so that its error is made in one place.
  public static func pendingUnary<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    ofBytes: (@Sendable ([UInt8], CallContext, PendingReply<Response>) throws -> Bool)? = nil,
    _ handler: @escaping @Sendable (Request, CallContext, PendingReply<Response>) throws -> Void
  ) -> RPCMethod {
    let begin: Begin = { call, bytes, context in
      let reply = PendingReply<Response>(call: call)
      do {
        if reply.isProtobuf, let ofBytes, try ofBytes(bytes, context, reply) { return }
        let request: Request = try call.decode(bytes)
        try handler(request, context, reply)
      } catch {
        reply.fail(error)
      }
    }
    return RPCMethod(
      path, .unary, noSideEffects: noSideEffects,
      run: { call, interceptor in await call.beginPending(interceptor, begin) }, begin: begin)
  }

  /// One request, any number of answers. `ResponseWriter.send` suspends for back pressure.
  public static func serverStreaming<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    _ handler:
      @escaping @Sendable (Request, CallContext, ResponseWriter<Response>) async throws -> Void
  ) -> RPCMethod {
    RPCMethod(path, .serverStreaming, noSideEffects: noSideEffects) { call, interceptor in
      await call.perform(interceptor) { context in
        let request: Request = try call.decode(try await call.onlyRequest())
        try await handler(request, context, ResponseWriter(call: call))
        return nil
      }
    }
  }

  /// Any number of requests, one answer.
  public static func clientStreaming<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    _ handler:
      @escaping @Sendable (RequestStream<Request>, CallContext) async throws -> Response
  ) -> RPCMethod {
    RPCMethod(path, .clientStreaming, noSideEffects: noSideEffects) { call, interceptor in
      await call.perform(interceptor) { context in
        let response = try await handler(RequestStream(call: call), context)
        return try call.encode(response)
      }
    }
  }

  /// Any number of requests and answers, in any order.
  public static func bidirectional<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    _ handler:
      @escaping @Sendable (RequestStream<Request>, CallContext, ResponseWriter<Response>)
      async throws -> Void
  ) -> RPCMethod {
    RPCMethod(path, .bidirectional, noSideEffects: noSideEffects) { call, interceptor in
      await call.perform(interceptor) { context in
        try await handler(RequestStream(call: call), context, ResponseWriter(call: call))
        return nil
      }
    }
  }

  /// A unary method that never waits: it runs on the event loop inside the read batch, **without
  /// the interceptor**, so it must be open to every caller and take microseconds (health).
  public static func inlineUnary<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    _ handler: @escaping @Sendable (Request, CallContext) throws(RPCError) -> Response
  ) -> RPCMethod {
    RPCMethod(
      path, .unary, noSideEffects: noSideEffects,
      run: { call, _ in
        await call.perform(nil) { context in
          let request: Request = try call.decode(try await call.onlyRequest())
          return try call.encode(try handler(request, context))
        }
      },
      runInline: { call, bytes in
        call.performInline { () throws(RPCError) -> [UInt8] in
          let request: Request = try call.decode(bytes)
          return try call.encode(try handler(request, CallContext(call: call)))
        }
      })
  }

  init(
    _ path: String, _ shape: Shape, noSideEffects: Bool, run: @escaping Run,
    runInline: RunInline? = nil, begin: Begin? = nil
  ) {
    info = Info(
      path: path, shape: shape, noSideEffects: noSideEffects, run: run,
      runInline: runInline, begin: begin)
  }
}

/// Runs before a call's message is decoded. It may set `CallContext.principal`; throwing refuses
/// the call.
public typealias Interceptor =
  @Sendable (RPCMethod.Info, inout CallContext) async throws(RPCError) -> Void

/// Judges a call as an `Interceptor` does where it can without waiting; it runs on event loops.
///
/// The last parameter is its own: what it left there at an earlier call of the same connection that
/// began with the same header bytes, so that the same credentials need not be looked at anew. It says
/// nothing of what has changed meanwhile. It is on one loop at a time, and `nil` at first.
public typealias PromptInterceptor =
  @Sendable (RPCMethod.Info, inout CallContext, inout PromptMemory?) throws(RPCError) ->
  PromptVerdict

/// What a `PromptInterceptor` may keep of a head.
public typealias PromptMemory = any AnyObject & Sendable

/// What a `PromptInterceptor` says of a call that it does not refuse.
public enum PromptVerdict: Sendable {
  /// As if the interceptor had admitted it.
  case admitted
  /// It cannot tell: the interceptor is asked.
  case mustWait
}
