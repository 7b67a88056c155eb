import Foundation
import Gzip
import RPCServer
import RPCWire
import SwiftProtobuf

/// Methods that do on the event loop what must not be done there, as a server with such a fault
/// would: the abuse tests show with them that they would see it.
enum Mutants {
  static let methods: [RPCMethod] = [
    .inlineUnary("/wire.echo.v1.MutantService/AnswerOnLoop") {
      (request: EchoRequest, _) throws(RPCError) in
      EchoResponse.with {
        $0.payload = Data(repeating: 0x78, count: Int(request.payloadBytes))
      }
    },
    .inlineUnary("/wire.echo.v1.MutantService/InflateOnLoop") {
      (request: EchoRequest, _) throws(RPCError) in
      let whole = try? Gzip.inflate(Array(request.payload), limit: 4 << 20)
      return EchoResponse.with { $0.payloadBytesReceived = UInt64(whole?.count ?? 0) }
    },
  ]
}
