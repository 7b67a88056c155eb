import HTTP2
import Logging
import RPCClient
import SwiftProtobuf
import Testing

@testable import RPCServer

@Suite struct StatisticsTests {
  private typealias Text = Google_Protobuf_StringValue

  @Test func connectionsAreCountedAndThoseAboveTheLimitRefused() async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    var configuration = RPCServerConfiguration(logger: logger)
    configuration.limits.connections = 1
    let echo = RPCMethod.unary("/t.S/Echo") { (request: Text, _) in request }
    let server = RPCServer(configuration: configuration, methods: [echo])
    let address = try await server.start()
    let first = RPCClient(.init(host: address.host, port: address.port))
    let second = RPCClient(.init(host: address.host, port: address.port))
    let reply: Text = try await first.unary("/t.S/Echo", Text("a"))
    #expect(reply.value == "a")
    await #expect(throws: (any Error).self) {
      _ = try await second.unary("/t.S/Echo", Text("b"), returning: Text.self)
    }
    let statistics = server.statistics
    #expect(statistics.acceptedConnections == 1)
    #expect(statistics.openConnections == 1)
    #expect(statistics.refusedConnections >= 1)
    #expect(statistics.failedTLSHandshakes == 0)
    await first.close()
    await second.close()
    await server.drain(grace: .seconds(1))
  }

  @Test func verdictsAreCountedByKind() {
    let counters = ServerCounters()
    for verdict in [
      AbuseGuard.Verdict.allow, .delay(milliseconds: 10), .delay(milliseconds: 20), .close,
      .goAway(code: 11, debug: "too_many_pings"), .goAway(code: 1, debug: ""),
    ] {
      counters.count(verdict)
    }
    #expect(
      counters.abuseVerdicts == ["delay": 2, "close": 1, "too_many_pings": 1, "protocol_error": 1])
  }

  @Test func whatIsNoCertificateIsNamed() {
    let error = #expect(throws: ServerTLS.Failure.self) {
      _ = try ServerTLS(certificateChain: Array("x".utf8), privateKey: []).configuration()
    }
    #expect(error?.description.contains("certificate chain") == true)
    #expect(ServerTLS(certificateChain: [], privateKey: []).notValidAfter == nil)
  }
}
