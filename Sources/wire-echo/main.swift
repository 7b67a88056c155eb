import Foundation
import Logging
import NIOSSL
import RPCServer
import RPCWire

// The server of the wire tests. Prints "listening HOST:PORT", serves until standard input ends,
// then drains. Options are `name=value` arguments.

var logger = Logger(label: "wire-echo") { StreamLogHandler.standardError(label: $0) }
logger.logLevel = .warning
var configuration = RPCServerConfiguration(logger: logger)
var grace = Duration.seconds(5)
var unaryIsPending = false

for argument in CommandLine.arguments.dropFirst() {
  let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
  let value = parts.count == 2 ? parts[1] : ""
  let number = Int64(value) ?? 0
  switch parts.first ?? "" {
  case "port": configuration.port = Int(number)
  case "loops": configuration.loops = Int(number)
  case "message-bytes": configuration.limits.messageBytes = Int(number)
  case "body-stall": configuration.timers.requestBodyStall = number
  case "write-stall": configuration.timers.writeStall = number
  case "first-bytes": configuration.timers.firstBytes = number
  case "settings-ack": configuration.timers.settingsAcknowledgement = number
  case "tls-handshake": configuration.timers.tlsHandshake = number
  case "http1-idle": configuration.timers.http1Idle = number
  case "max-age": configuration.timers.maximumConnectionAge = number
  case "max-idle": configuration.timers.maximumConnectionIdle = number
  case "ping-silence": configuration.keepalive.pingAfterSilence = number
  case "ping-timeout": configuration.keepalive.pingTimeout = number
  case "cors": configuration.corsOrigins.append(value)
  case "call":
    await ClientProbe.run(value)
    exit(0)
  case "descriptors":
    configuration.reflectionDescriptorSet = Array(
      try Data(contentsOf: URL(fileURLWithPath: value)))
  case "tls":
    // The path of a PEM file with certificate and key.
    configuration.tls = .makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile(value).map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(file: value, format: .pem)))
  case "connections": configuration.limits.connections = Int(number)
  case "connections-per-address": configuration.limits.connectionsPerAddress = Int(number)
  case "unary": unaryIsPending = value == "pending"
  case "grace": grace = .milliseconds(number)
  case "require-token":
    configuration.interceptor = { (info, context) async throws(RPCError) in
      guard info.service == "wire.echo.v1.EchoService" else { return }
      guard context.metadata["authorization"] == "Bearer \(value)" else {
        throw RPCError(.unauthenticated, "send the bearer token")
      }
      context.principal = "token"
    }
  default:
    FileHandle.standardError.write(Data("unknown option \(argument)\n".utf8))
    exit(2)
  }
}

configuration.pages["/hello"] = { request in
  PageResponse(text: "hello \(request.method) \(request.query)\n")
}

let server = RPCServer(
  configuration: configuration,
  methods: EchoMethods(isPending: unaryIsPending).methods + Mutants.methods)
let address = try await server.start()
FileHandle.standardOutput.write(Data("listening \(address)\n".utf8))
await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
  Thread.detachNewThread {
    while readLine() != nil {}
    done.resume()
  }
}
await server.drain(grace: grace)
