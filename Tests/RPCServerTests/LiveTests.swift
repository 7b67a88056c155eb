import Logging
import RPCClient
import RPCServer
import RPCWire
import SwiftProtobuf
import Synchronization
import Testing

private typealias Text = Google_Protobuf_StringValue
private typealias Number = Google_Protobuf_Int32Value

/// A signal that a test can await and anybody can give.
final class Signal: Sendable {
  private let state = Mutex<(given: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

  func give() {
    let waiters = state.withLock { state in
      state.given = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let given = state.withLock { state in
        if !state.given { state.waiters.append(continuation) }
        return state.given
      }
      if given { continuation.resume() }
    }
  }
}

/// A server on loopback and a client connected to it.
func withServer(
  _ methods: [RPCMethod], _ change: (inout RPCServerConfiguration) -> Void = { _ in },
  health: HealthState = HealthState(),
  _ body: (RPCClient, RPCServer) async throws -> Void
) async throws {
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  var configuration = RPCServerConfiguration(logger: logger)
  change(&configuration)
  let server = RPCServer(configuration: configuration, methods: methods, health: health)
  let address = try await server.start()
  let client = RPCClient(.init(host: address.host, port: address.port))
  do {
    try await body(client, server)
  } catch {
    await client.close()
    await server.drain(grace: .seconds(1))
    throw error
  }
  await client.close()
  await server.drain(grace: .seconds(1))
}

/// Returns when a count has stopped to grow.
private func waitUntilStill(_ count: borrowing Atomic<Int>) async {
  var last = -1
  while last != count.load(ordering: .relaxed) {
    last = count.load(ordering: .relaxed)
    try? await Task.sleep(for: .milliseconds(100))
  }
}

private let echo = RPCMethod.unary("/t.S/Echo") { (request: Text, _) in request }

@Suite struct LiveTests {
  @Test func aUnaryCallIsAnswered() async throws {
    try await withServer([echo]) { client, _ in
      let reply: Text = try await client.unary("/t.S/Echo", Text("hello"))
      #expect(reply.value == "hello")
    }
  }

  @Test func manyCallsAtOnceAreEachAnsweredWithTheirOwn() async throws {
    try await withServer([echo]) { client, _ in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<400 {
          group.addTask {
            let reply: Text = try await client.unary("/t.S/Echo", Text("\(number)"))
            return reply.value == "\(number)"
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test func anErrorArrivesWithItsDetailsAndTrailers() async throws {
    let failing = RPCMethod.unary("/t.S/Fail") { (_: Text, _) -> Text in
      var trailers = Metadata()
      trailers.add("x-reason", "because")
      throw RPCError(
        .failedPrecondition, "not now: ☃",
        details: [RPCErrorDetail(Google_Rpc_ErrorInfo.with { $0.reason = "LATE" })],
        trailingMetadata: trailers)
    }
    try await withServer([failing]) { client, _ in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary("/t.S/Fail", Text(), returning: Text.self)
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == "not now: ☃")
      #expect(error?.detail(Google_Rpc_ErrorInfo.self)?.reason == "LATE")
      #expect(error?.trailers.text("x-reason") == "because")
    }
  }

  @Test func anyOtherErrorIsUnknownAndSaysNothing() async throws {
    struct Secret: Error { let patient = "Jane" }
    let failing = RPCMethod.unary("/t.S/Fail") { (_: Text, _) -> Text in throw Secret() }
    try await withServer([failing]) { client, _ in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary("/t.S/Fail", Text(), returning: Text.self)
      }
      #expect(error?.code == .unknown)
      #expect(error?.message.contains("Jane") == false)
    }
  }

  @Test func theInterceptorRefusesBeforeTheMessageIsDecoded() async throws {
    let whoAmI = RPCMethod.unary("/t.S/Who") { (_: Text, context) in
      Text(context.principal as? String ?? "nobody")
    }
    try await withServer([whoAmI]) { configuration in
      configuration.interceptor = { (_, context) async throws(RPCError) in
        guard let token = context.metadata["authorization"] else {
          throw RPCError(.unauthenticated, "send a bearer token")
        }
        context.principal = String(token.dropFirst(7))
      }
    } _: { client, _ in
      let error = await #expect(throws: RPCClientError.self) {
        // Bytes that are no Text: the refusal must come first.
        _ = try await client.unary(
          "/t.S/Who", Google_Protobuf_Int64Value(1), returning: Text.self)
      }
      #expect(error?.code == .unauthenticated)
      var metadata = Metadata()
      metadata.add("authorization", "Bearer jane")
      let reply: Text = try await client.unary("/t.S/Who", Text(), metadata: metadata)
      #expect(reply.value == "jane")
    }
  }

  @Test func aStreamArrivesInOrderWithBackPressure() async throws {
    let produced = Atomic<Int>(0)
    let counting = RPCMethod.serverStreaming("/t.S/Count") {
      (request: Number, _, writer: ResponseWriter<Text>) in
      for number in 0..<request.value {
        try await writer.send(Text("\(number) " + String(repeating: "x", count: 10_000)))
        produced.wrappingAdd(1, ordering: .relaxed)
      }
    }
    try await withServer([counting]) { client, _ in
      let stream = try await client.serverStreaming(
        "/t.S/Count", Number(600), returning: Text.self)
      var next: Int32 = 0
      for try await message in stream {
        if next == 0 {
          // The client's window takes 4 MiB and the queue 64 KiB; the rest has to wait.
          await waitUntilStill(produced)
          #expect(produced.load(ordering: .relaxed) < 500)
        }
        #expect(message.value.hasPrefix("\(next) "))
        next += 1
      }
      #expect(next == 600)
    }
  }

  @Test func leavingAStreamCancelsItsHandler() async throws {
    let cancelled = Signal()
    let endless = RPCMethod.serverStreaming("/t.S/Endless") {
      (_: Text, _, writer: ResponseWriter<Text>) in
      do {
        while true { try await writer.send(Text("more")) }
      } catch {
        if error is CancellationError { cancelled.give() }
        throw error
      }
    }
    try await withServer([endless]) { client, _ in
      let stream = try await client.serverStreaming(
        "/t.S/Endless", Text(), returning: Text.self)
      var iterator = stream.makeAsyncIterator()
      _ = try await iterator.next()
      stream.cancel()
      await cancelled.wait()
    }
  }

  @Test func cancellingTheTaskOfACallCancelsItsHandler() async throws {
    let started = Signal()
    let cancelled = Signal()
    let slow = RPCMethod.unary("/t.S/Slow") { (request: Text, _) in
      started.give()
      do {
        try await Task.sleep(for: .seconds(60))
      } catch {
        cancelled.give()
        throw error
      }
      return request
    }
    try await withServer([slow]) { client, _ in
      let call = Task { try await client.unary("/t.S/Slow", Text(), returning: Text.self) }
      await started.wait()
      call.cancel()
      await cancelled.wait()
      await #expect(throws: CancellationError.self) { _ = try await call.value }
    }
  }

  @Test func aLostConnectionCancelsTheHandler() async throws {
    let started = Signal()
    let cancelled = Signal()
    let slow = RPCMethod.unary("/t.S/Slow") { (request: Text, _) in
      started.give()
      do {
        try await Task.sleep(for: .seconds(60))
      } catch {
        cancelled.give()
        throw error
      }
      return request
    }
    try await withServer([slow]) { client, _ in
      let call = Task { try await client.unary("/t.S/Slow", Text(), returning: Text.self) }
      await started.wait()
      await client.close()
      await cancelled.wait()
      let error = await #expect(throws: RPCClientError.self) { _ = try await call.value }
      #expect(error?.code == .unavailable)
    }
  }

  @Test func aDeadlineEndsTheHandlerAndTheCall() async throws {
    let cancelled = Signal()
    let slow = RPCMethod.unary("/t.S/Slow") { (request: Text, context) in
      #expect((context.remaining ?? .zero) <= .milliseconds(151))
      do {
        try await Task.sleep(for: .seconds(60))
      } catch {
        cancelled.give()
        throw error
      }
      return request
    }
    try await withServer([slow]) { client, _ in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary(
          "/t.S/Slow", Text(), timeout: .milliseconds(150), returning: Text.self)
      }
      #expect(error?.code == .deadlineExceeded)
      await cancelled.wait()
    }
  }

  @Test func anAnswerAboveTheLimitIsRefused() async throws {
    let large = RPCMethod.unary("/t.S/Large") { (_: Text, _) in
      Text(String(repeating: "x", count: 2_000))
    }
    try await withServer([large]) {
      $0.limits.messageBytes = 1_000
    } _: { client, _ in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary("/t.S/Large", Text(), returning: Text.self)
      }
      #expect(error?.code == .resourceExhausted)
    }
  }

  @Test func tooManyHandlersAreRefusedWithARetryDelay() async throws {
    let started = Signal()
    let finish = Signal()
    let slow = RPCMethod.unary("/t.S/Slow") { (request: Text, _) in
      started.give()
      await finish.wait()
      return request
    }
    try await withServer([slow]) {
      $0.limits.runningHandlers = 1
    } _: { client, _ in
      let first = Task { try await client.unary("/t.S/Slow", Text("1"), returning: Text.self) }
      await started.wait()
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary("/t.S/Slow", Text("2"), returning: Text.self)
      }
      #expect(error?.code == .unavailable)
      #expect(error?.detail(Google_Rpc_RetryInfo.self)?.retryDelay.seconds == 1)
      finish.give()
      let answer = try await first.value
      #expect(answer.value == "1")
    }
  }

  @Test func everyCallIsReportedOnce() async throws {
    let codes = Mutex<[RPCCode]>([])
    try await withServer([echo]) { configuration in
      configuration.observer = { report in codes.withLock { $0.append(report.code) } }
    } _: { client, _ in
      _ = try await client.unary("/t.S/Echo", Text(), returning: Text.self)
      _ = try? await client.unary("/t.S/Nothing", Text(), returning: Text.self)
      #expect(codes.withLock { $0 } == [.ok, .unimplemented])
    }
  }

  @Test func healthFollowsItsState() async throws {
    let health = HealthState(services: ["t.S"])
    try await withServer([echo], health: health) { client, _ in
      let watch = try await client.serverStreaming(
        "/grpc.health.v1.Health/Watch",
        Grpc_Health_V1_HealthCheckRequest.with { $0.service = "t.S" },
        returning: Grpc_Health_V1_HealthCheckResponse.self)
      var iterator = watch.makeAsyncIterator()
      #expect(try await iterator.next()?.status == .serving)
      health.set(.notServing, for: "t.S")
      #expect(try await iterator.next()?.status == .notServing)
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary(
          "/grpc.health.v1.Health/Check",
          Grpc_Health_V1_HealthCheckRequest.with { $0.service = "unknown" },
          returning: Grpc_Health_V1_HealthCheckResponse.self)
      }
      #expect(error?.code == .notFound)
    }
  }

  @Test func aClosedClientSaysSo() async throws {
    try await withServer([echo]) { client, _ in
      await client.close()
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary("/t.S/Echo", Text(), returning: Text.self)
      }
      #expect(error?.code == .unavailable)
    }
  }
}
