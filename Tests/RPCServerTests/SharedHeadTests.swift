import RPCClient
import RPCServer
import RPCWire
import SwiftProtobuf
import Synchronization
import Testing

private typealias Text = Google_Protobuf_StringValue

/// Calls of a connection that share a parsed head.
@Suite struct SharedHeadTests {
  @Test func theInterceptorIsAskedForEachCall() async throws {
    let asked = Atomic<Int>(0)
    let echo = RPCMethod.unary("/t.S/Echo") { (request: Text, _) in request }
    try await withServer([echo]) { configuration in
      configuration.interceptor = { (_, context) async throws(RPCError) in
        asked.wrappingAdd(1, ordering: .relaxed)
        guard context.metadata["authorization"] == "Bearer jane" else {
          throw RPCError(.unauthenticated, "send the token")
        }
      }
    } _: { client, _ in
      for (token, isKnown) in [("jane", true), ("jane", true), ("june", false), ("jane", true)] {
        var metadata = Metadata()
        metadata.add("authorization", "Bearer " + token)
        let reply: Text? = try? await client.unary("/t.S/Echo", Text("a"), metadata: metadata)
        #expect((reply != nil) == isKnown)
      }
      #expect(asked.load(ordering: .relaxed) == 4)
    }
  }

  /// Heads of one length that differ in a single byte must not be taken for each other.
  @Test func headsAreSharedOnlyWhenTheyAreTheSame() async throws {
    let methods = ["A", "B"].map { name in
      RPCMethod.unary("/t.S/\(name)") { (_: Text, context) in
        Text(name + (context.metadata["x-n"] ?? "") + (context.deadline == nil ? "" : "!"))
      }
    }
    try await withServer(methods) { client, _ in
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
