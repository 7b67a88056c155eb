import Foundation
import RPCClient
import RPCServer
import RPCWire
import SwiftProtobuf

/// Calls an echo service, of this or any other server, and prints what it got, one fact a line.
enum ClientProbe {
  private static let service = "/wire.echo.v1.EchoService/"

  static func run(_ address: String) async {
    let parts = address.split(separator: ":")
    guard parts.count == 2, let port = Int(parts[1]) else { return say("address: HOST:PORT") }
    let client = RPCClient(.init(host: String(parts[0]), port: port))
    await report("unary") {
      let reply: EchoResponse = try await client.unary(
        service + "Unary", EchoRequest.with { $0.text = "hi" }, timeout: .seconds(10))
      return reply.text
    }
    await report("large") {
      let reply: EchoResponse = try await client.unary(
        service + "Unary", EchoRequest.with { $0.payloadBytes = 1_000_000 })
      return "\(reply.payload.count)"
    }
    await report("stream") {
      var texts: [String] = []
      let stream = try await client.serverStreaming(
        service + "ServerStream", EchoRequest.with { $0.count = 3 },
        returning: EchoResponse.self)
      for try await reply in stream { texts.append("\(reply.index)") }
      return texts.joined(separator: ",")
    }
    await report("error") {
      let request = EchoRequest.with {
        $0.failCode = 9
        $0.failMessage = "not ☃"
        $0.failReason = "WHY"
      }
      let reply: EchoResponse = try await client.unary(service + "Unary", request)
      return reply.text
    }
    await report("deadline") {
      let request = EchoRequest.with { $0.delayMilliseconds = 3_000 }
      let reply: EchoResponse = try await client.unary(
        service + "Unary", request, timeout: .milliseconds(200))
      return reply.text
    }
    await report("unimplemented") {
      let reply: EchoResponse = try await client.unary("/no.Such/Method", EchoRequest())
      return reply.text
    }
    await client.close()
  }

  private static func report(_ name: String, _ body: () async throws -> String) async {
    do {
      say("\(name) \(try await body())")
    } catch let error as RPCClientError {
      let reason = error.detail(Google_Rpc_ErrorInfo.self)?.reason ?? "-"
      say("\(name) \(error.code.connectName) \(reason) \(error.message)")
    } catch {
      say("\(name) \(error)")
    }
  }

  private static func say(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
  }
}
