import ConsentProto
import Foundation
import RPCClient
import SwiftProtobuf

/// Revocations as a caller sees them: one after the other over gRPC, each followed by a check that
/// must deny. A client in this process costs little beside what it measures.
///
/// Usage: bench-writes wire --port P --token T --requests FILE
///
/// The file holds pairs of a RevokeRequest and the CheckRequest that it decides, each with its length
/// in front, four bytes, big-endian. The answer is JSON: microseconds of each revocation, in order.
enum OverTheWire {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  static func run(_ arguments: [String: String]) async throws -> String {
    guard let port = arguments["--port"].flatMap({ Int($0) }), let file = arguments["--requests"]
    else { throw Failure(description: "wire takes --port, --token and --requests") }
    var configuration = RPCClient.Configuration(host: "127.0.0.1", port: port)
    configuration.bearerToken = arguments["--token"]
    let client = RPCClient(configuration)
    var taken: [Double] = []
    let clock = ContinuousClock()
    for (revocation, check) in try pairs(Array(Data(contentsOf: URL(fileURLWithPath: file)))) {
      let began = clock.now
      let _: Consent_V1_RevokeResponse = try await client.unary(
        "/consent.v1.RecordService/Revoke", revocation, timeout: .seconds(30))
      taken.append((clock.now - began) / .microseconds(1))
      let answer: Consent_V1_CheckResponse = try await client.unary(
        "/consent.v1.CheckService/Check", check, timeout: .seconds(30))
      guard answer.decision.effect == .deny else {
        throw Failure(description: "no denial after an acknowledged revocation")
      }
    }
    await client.close()
    return "[" + taken.map { String(format: "%.0f", $0) }.joined(separator: ", ") + "]"
  }

  private static func pairs(
    _ bytes: [UInt8]
  ) throws -> [(Consent_V1_RevokeRequest, Consent_V1_CheckRequest)] {
    var rest = bytes[...]
    func next() throws -> [UInt8] {
      let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.count >= 4 + length else { throw Failure(description: "the file ends too early") }
      defer { rest = rest.dropFirst(4 + length) }
      return Array(rest.dropFirst(4).prefix(length))
    }
    var found: [(Consent_V1_RevokeRequest, Consent_V1_CheckRequest)] = []
    while !rest.isEmpty {
      found.append(
        (try .init(serializedBytes: next()), try .init(serializedBytes: next())))
    }
    return found
  }
}
