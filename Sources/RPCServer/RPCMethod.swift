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
    /// The handler's task has its steps on the event loop.
    let runsOnLoop: Bool

    init(
      path: String, shape: Shape, noSideEffects: Bool, runsOnLoop: Bool, run: @escaping Run,
      runInline: RunInline?
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
      self.runsOnLoop = runsOnLoop
    }
  }

  typealias Run = @Sendable (ServerCall, Interceptor?) async -> Void
  typealias RunInline = @Sendable (ServerCall, [UInt8]) -> Void

  /// Everything there is: a method is copied from table to plan to call, and costs one reference.
  public let info: Info

  /// One request, one answer.
  ///
  /// - Parameter runsOnLoop: the handler, and the interceptor before it, run on the connection's
  ///   event loop between their waits. Without a change of threads a call costs microseconds less,
  ///   and every call of the loop waits for each step: for handlers that take microseconds and then
  ///   wait, never for one that computes at length or blocks.
  public static func unary<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false, runsOnLoop: Bool = false,
    _ handler: @escaping @Sendable (Request, CallContext) async throws -> Response
  ) -> RPCMethod {
    RPCMethod(path, .unary, noSideEffects: noSideEffects, runsOnLoop: runsOnLoop) {
      call, interceptor in
      await call.perform(interceptor) { context in
        let request: Request = try call.decode(try await call.onlyRequest())
        let response = try await handler(request, context)
        return try call.encode(response)
      }
    }
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
    _ path: String, _ shape: Shape, noSideEffects: Bool, runsOnLoop: Bool = false,
    run: @escaping Run, runInline: RunInline? = nil
  ) {
    info = Info(
      path: path, shape: shape, noSideEffects: noSideEffects, runsOnLoop: runsOnLoop, run: run,
      runInline: runInline)
  }
}

/// Runs before a call's message is decoded. It may set `CallContext.principal`; throwing refuses
/// the call.
public typealias Interceptor =
  @Sendable (RPCMethod.Info, inout CallContext) async throws(RPCError) -> Void
