import Foundation
import RPCServer
import RPCWire
import SwiftProtobuf
import Synchronization

typealias EchoRequest = Wire_Echo_V1_EchoRequest
typealias EchoResponse = Wire_Echo_V1_EchoResponse

struct PlainError: Error {}

/// The echo methods in all four shapes.
final class EchoMethods: Sendable {
  private let started = Atomic<UInt64>(0)
  private let cancelled = Atomic<UInt64>(0)
  private let batches = EchoBatches()
  /// `Unary` and `Mutate` are served by pending replies, so that one set of tests is for both forms.
  private let isPending: Bool

  init(isPending: Bool) { self.isPending = isPending }

  var methods: [RPCMethod] {
    [
      unary("/wire.echo.v1.EchoService/Unary", noSideEffects: true),
      unary("/wire.echo.v1.EchoService/Mutate"),
      .pendingUnary("/wire.echo.v1.EchoService/Pending") {
        (request: EchoRequest, _, reply: PendingReply<EchoResponse>) in
        self.batches.add(request, reply)
      },
      .inlineUnary("/wire.echo.v1.EchoService/Inline") {
        (request: EchoRequest, _) throws(RPCError) in
        EchoResponse.with { $0.text = request.text }
      },
      .serverStreaming("/wire.echo.v1.EchoService/ServerStream") {
        (request: EchoRequest, context, writer: ResponseWriter<EchoResponse>) in
        try await self.counted { try await self.stream(request, context, writer) }
      },
      .clientStreaming("/wire.echo.v1.EchoService/ClientStream") {
        (requests: RequestStream<EchoRequest>, context) in
        try await self.counted { try await self.collect(requests, context) }
      },
      .bidirectional("/wire.echo.v1.EchoService/Bidi") {
        (
          requests: RequestStream<EchoRequest>, context,
          writer: ResponseWriter<EchoResponse>
        ) in
        try await self.counted {
          for try await request in requests {
            if request.count == 0 {
              try await writer.send(try await self.answer(request, context))
            } else {
              try await self.stream(request, context, writer)
            }
          }
        }
      },
      .unary("/wire.echo.v1.EchoService/Counters") {
        (_: Wire_Echo_V1_CountersRequest, _) in
        Wire_Echo_V1_CountersResponse.with {
          $0.started = self.started.load(ordering: .relaxed)
          $0.cancelled = self.cancelled.load(ordering: .relaxed)
        }
      },
    ]
  }

  private func unary(_ path: String, noSideEffects: Bool = false) -> RPCMethod {
    guard isPending else {
      return .unary(path, noSideEffects: noSideEffects) { (request: EchoRequest, context) in
        try await self.counted { try await self.answer(request, context) }
      }
    }
    return .pendingUnary(path, noSideEffects: noSideEffects) {
      (request: EchoRequest, context, reply: PendingReply<EchoResponse>) in
      let task = Task {
        do {
          let response = try await self.counted { try await self.answer(request, context) }
          reply.answer { response }
        } catch {
          reply.fail(error)
        }
      }
      reply.whenCancelled { task.cancel() }
    }
  }

  private func counted<R>(_ body: () async throws -> R) async throws -> R {
    started.wrappingAdd(1, ordering: .relaxed)
    do {
      return try await body()
    } catch let error as CancellationError {
      cancelled.wrappingAdd(1, ordering: .relaxed)
      throw error
    }
  }

  private func answer(
    _ request: EchoRequest, _ context: CallContext
  ) async throws -> EchoResponse {
    if request.echoMetadata { echoMetadata(context) }
    if request.delayMilliseconds > 0 {
      try await Task.sleep(for: .milliseconds(request.delayMilliseconds))
    }
    try failIfAsked(request)
    return response(to: request, context, index: 0)
  }

  private func stream(
    _ request: EchoRequest, _ context: CallContext, _ writer: ResponseWriter<EchoResponse>
  ) async throws {
    if request.echoMetadata { echoMetadata(context) }
    for index in 0..<request.count {
      if request.delayMilliseconds > 0 {
        try await Task.sleep(for: .milliseconds(request.delayMilliseconds))
      }
      try await writer.send(response(to: request, context, index: index))
    }
    try failIfAsked(request)
  }

  private func collect(
    _ requests: RequestStream<EchoRequest>, _ context: CallContext
  ) async throws -> EchoResponse {
    var last = EchoRequest()
    var received: UInt32 = 0
    var bytes: UInt64 = 0
    for try await request in requests {
      if request.delayMilliseconds > 0 {
        try await Task.sleep(for: .milliseconds(request.delayMilliseconds))
      }
      received += 1
      bytes += UInt64(request.payload.count)
      last = request
      try failIfAsked(request)
    }
    if last.echoMetadata { echoMetadata(context) }
    var answer = response(to: last, context, index: 0)
    answer.received = received
    answer.payloadBytesReceived = bytes
    return answer
  }

  private func response(
    to request: EchoRequest, _ context: CallContext, index: UInt32
  ) -> EchoResponse {
    EchoResponse.with {
      $0.text = request.text
      $0.index = index
      $0.payload = .init(repeating: 0x78, count: Int(request.payloadBytes))
      $0.payloadBytesReceived = UInt64(request.payload.count)
      $0.principal = context.principal as? String ?? ""
      $0.remainingMilliseconds =
        context.remaining.map {
          $0.components.seconds * 1_000 + $0.components.attoseconds / 1_000_000_000_000_000
        } ?? -1
    }
  }

  private func echoMetadata(_ context: CallContext) {
    for entry in context.metadata.all().entries {
      let name = String(decoding: entry.name, as: UTF8.self)
      guard name.hasPrefix("x-echo-") else { continue }
      if entry.isBinary {
        context.addResponseHeader(name, bytes: entry.value)
        context.addResponseTrailer(name, bytes: entry.value)
      } else {
        context.addResponseHeader(name, String(decoding: entry.value, as: UTF8.self))
        context.addResponseTrailer(name, String(decoding: entry.value, as: UTF8.self))
      }
    }
  }

  private func failIfAsked(_ request: EchoRequest) throws {
    if request.throwPlainError { throw PlainError() }
    guard request.failCode > 0 else { return }
    var details: [RPCErrorDetail] = []
    if !request.failReason.isEmpty {
      details.append(
        RPCErrorDetail(
          Google_Rpc_ErrorInfo.with {
            $0.reason = request.failReason
            $0.domain = "wire.echo"
          }))
    }
    throw RPCError(
      RPCCode(rawValue: UInt8(clamping: request.failCode)) ?? .unknown, request.failMessage,
      details: details)
  }
}
