import ConsentCore
import ConsentProto
import ConsentStore
import EventFeed
import Logging
import RPCClient
import RPCServer
import SwiftProtobuf

@testable import ConsentServer

/// Two patients with their papers and decisions, and the service that shows them, called as from
/// outside: what is logged is between handler and answer.
struct ReadingDesk {
  let desk: RecordDesk
  let trail: TrailStore
  let first: String
  let second: String
  let instrument: String
  let grant: String
  /// A permit of the first patient's image; the second's was denied.
  let decision: String
  let service: ConsentService

  static let image = "1.2.3.4"
  static let other = "1.2.3.5"

  init(broken mutant: AccessMutant? = nil) async throws {
    desk = try await RecordDesk()
    first = try await desk.patient("P-1")
    second = try await desk.patient("P-2")
    try await desk.image(Self.image, of: first)
    try await desk.image(Self.other, of: second)
    let paper = try await desk.record(first).instrument
    instrument = paper.instrumentID
    grant = paper.grants.first?.grantID ?? ""
    decision = try await desk.check(Self.image).decisionID
    try await desk.check(Self.other)
    trail = TrailStore(desk.store)
    var logger = Logger(label: "access-tests")
    logger.logLevel = .critical
    var service = ConsentService(
      store: trail, clock: desk.clock, calendars: desk.service.calendars,
      watch: WatchHub(
        source: StoreFeedSource(store: trail), clock: SystemFeedClock(wall: desk.clock)),
      changed: { _ in }, logger: logger)
    service.accessDeviation.mutant = mutant
    self.service = service
  }

  /// Serves on loopback while `body` runs.
  func served<Result>(_ body: (RPCClient) async throws -> Result) async throws -> Result {
    var configuration = RPCServerConfiguration(logger: service.logger)
    let known = KnownCaller(desk.caller, holds: nil, generation: 0)
    configuration.interceptor = { _, context in context.principal = known }
    let server = RPCServer(configuration: configuration, methods: service.methods)
    let address = try await server.start()
    let client = RPCClient(.init(host: address.host, port: address.port))
    let result: Swift.Result<Result, any Error>
    do { result = .success(try await body(client)) } catch { result = .failure(error) }
    await client.close()
    await server.drain(grace: .zero)
    return try result.get()
  }
}

/// One call of a method that shows records, and whose.
struct ReadCall: Sendable {
  let path: String
  let patients: [String]
  /// - Returns: whether it was answered, with a first message at least.
  let call: @Sendable (RPCClient) async throws -> Bool

  static func unary<Request: Message & Sendable, Response: Message & Sendable>(
    _ method: String, _ patients: [String], _ request: Request, _: Response.Type
  ) -> ReadCall {
    let path = "/consent.v1." + method
    return ReadCall(path: path, patients: patients) { client in
      _ = try await client.unary(
        path, request, timeout: .seconds(30), returning: Response.self)
      return true
    }
  }

  static func stream<Request: Message & Sendable, Response: Message & Sendable>(
    _ method: String, _ patients: [String], _ request: Request, _: Response.Type
  ) -> ReadCall {
    let path = "/consent.v1." + method
    return ReadCall(path: path, patients: patients) { client in
      let answers = try await client.serverStreaming(
        path, request, timeout: .seconds(30), returning: Response.self)
      for try await _ in answers { return true }
      return false
    }
  }
}
