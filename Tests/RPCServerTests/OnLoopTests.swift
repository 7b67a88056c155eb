import Logging
import RPCClient
import RPCServer
import RPCWire
import SwiftProtobuf
import Synchronization
import Testing

private typealias Text = Google_Protobuf_StringValue

/// Handlers whose steps run on the connection's loop, and calls that share a parsed head.
@Suite struct OnLoopTests {
  private func withServer(
    _ methods: [RPCMethod], _ change: (inout RPCServerConfiguration) -> Void = { _ in },
    _ body: (RPCClient) async throws -> Void
  ) async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    var configuration = RPCServerConfiguration(logger: logger)
    change(&configuration)
    let server = RPCServer(configuration: configuration, methods: methods)
    let address = try await server.start()
    let client = RPCClient(.init(host: address.host, port: address.port))
    let result: Result<Void, any Error>
    do { result = .success(try await body(client)) } catch { result = .failure(error) }
    await client.close()
    await server.drain(grace: .seconds(1))
    try result.get()
  }

  /// Waits for another task, which runs elsewhere, once or not at all.
  private static let waiting = RPCMethod.unary("/t.S/Wait", runsOnLoop: true) {
    (request: Text, _) in
    guard request.value.hasPrefix("wait") else { return request }
    let elsewhere = Task.detached { request.value + "ed" }
    return Text(await elsewhere.value)
  }

  @Test func eachIsAnsweredWhetherItWaitsOrNot() async throws {
    try await withServer([Self.waiting]) { client in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<400 {
          group.addTask {
            let text = number.isMultiple(of: 3) ? "wait\(number)" : "\(number)"
            let reply: Text = try await client.unary("/t.S/Wait", Text(text))
            return reply.value == (number.isMultiple(of: 3) ? text + "ed" : text)
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test func anErrorIsAnsweredAsElsewhere() async throws {
    let failing = RPCMethod.unary("/t.S/Fail", runsOnLoop: true) { (_: Text, _) -> Text in
      throw RPCError(.failedPrecondition, "not now")
    }
    try await withServer([failing]) { client in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary("/t.S/Fail", Text(), returning: Text.self)
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == "not now")
    }
  }

  @Test func aDeadlineCancelsOneThatWaits() async throws {
    let ended = Signal()
    let stuck = RPCMethod.unary("/t.S/Stuck", runsOnLoop: true) { (_: Text, _) -> Text in
      defer { ended.give() }
      try await Task.sleep(for: .seconds(60))
      return Text()
    }
    try await withServer([stuck]) { client in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary(
          "/t.S/Stuck", Text(), timeout: .milliseconds(100), returning: Text.self)
      }
      #expect(error?.code == .deadlineExceeded)
      await ended.wait()
    }
  }

  @Test func theInterceptorIsAskedForEachCall() async throws {
    let asked = Atomic<Int>(0)
    try await withServer([Self.waiting]) { configuration in
      configuration.interceptor = { (_, context) async throws(RPCError) in
        asked.wrappingAdd(1, ordering: .relaxed)
        guard context.metadata["authorization"] == "Bearer jane" else {
          throw RPCError(.unauthenticated, "send the token")
        }
      }
    } _: { client in
      for (token, isKnown) in [("jane", true), ("jane", true), ("june", false), ("jane", true)] {
        var metadata = Metadata()
        metadata.add("authorization", "Bearer " + token)
        let reply: Text? = try? await client.unary("/t.S/Wait", Text("a"), metadata: metadata)
        #expect((reply != nil) == isKnown)
      }
      #expect(asked.load(ordering: .relaxed) == 4)
    }
  }

  /// Heads of one length that differ in a single byte must not be taken for each other.
  @Test func headsAreSharedOnlyWhenTheyAreTheSame() async throws {
    let methods = ["A", "B"].map { name in
      RPCMethod.unary("/t.S/\(name)", runsOnLoop: true) { (_: Text, context) in
        Text(name + (context.metadata["x-n"] ?? "") + (context.deadline == nil ? "" : "!"))
      }
    }
    try await withServer(methods) { client in
      for name in ["A", "A", "B", "A", "B", "B"] {
        for number in ["1", "1", "2"] {
          var metadata = Metadata()
          metadata.add("x-n", number)
          let reply: Text = try await client.unary("/t.S/\(name)", Text(), metadata: metadata)
          #expect(reply.value == name + number)
          let timed: Text = try await client.unary(
            "/t.S/\(name)", Text(), metadata: metadata, timeout: .seconds(30))
          #expect(timed.value == name + number + "!")
        }
      }
    }
  }
}
