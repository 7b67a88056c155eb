import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix

// The peer of row P4 of ops/bench: what grpc-swift-2 does for an empty service, over plaintext
// HTTP/2, with an event loop for each core. Every call is answered with the same prepared bytes, so
// that no protobuf is counted against it.
//
// Usage: bench-grpc-swift PORT ANSWER_BYTES

/// Messages as the bytes they came in.
struct Bytes: MessageSerializer, MessageDeserializer {
  func serialize<Container: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Container {
    Container(message)
  }

  func deserialize<Container: GRPCContiguousBytes>(_ bytes: Container) throws -> [UInt8] {
    bytes.withUnsafeBytes { Array($0) }
  }
}

struct Echo: RegistrableRPCService {
  let answer: [UInt8]

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    router.registerHandler(
      forMethod: MethodDescriptor(
        fullyQualifiedService: "wire.echo.v1.EchoService", method: "Unary"),
      deserializer: Bytes(), serializer: Bytes()
    ) { [answer] request, _ in
      for try await _ in request.messages {}
      return StreamingServerResponse(single: ServerResponse(message: answer))
    }
  }
}

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
guard arguments.count == 2 else {
  FileHandle.standardError.write(Data("usage: bench-grpc-swift PORT ANSWER_BYTES\n".utf8))
  exit(2)
}
let server = GRPCServer(
  transport: .http2NIOPosix(
    address: .ipv4(host: "127.0.0.1", port: arguments[0]), transportSecurity: .plaintext,
    eventLoopGroup: .singletonMultiThreadedEventLoopGroup),
  services: [Echo(answer: Array(repeating: 0x78, count: arguments[1]))])
try await server.serve()
