import RPCClient
import RPCWire
import SwiftProtobuf

/// The service as a command sees it: calls of package `consent.v1`, failures in words.
struct Connection {
  private let client: RPCClient

  init(_ endpoint: Endpoint, token: String?) {
    var configuration = endpoint.configuration
    configuration.bearerToken = token
    client = RPCClient(configuration)
  }

  func close() async { await client.close() }

  /// - Parameter method: such as `CheckService/Check`.
  func unary<Request: Message & Sendable, Response: Message & Sendable>(
    _ method: String, _ request: Request
  ) async throws -> Response {
    do {
      return try await client.unary(
        "/consent.v1." + method, request, timeout: .seconds(60), returning: Response.self)
    } catch let error as RPCClientError {
      throw CommandFailure(error)
    }
  }

  /// Hands each answer to `take` until it returns false or the stream ends.
  func stream<Request: Message & Sendable, Response: Message & Sendable>(
    _ method: String, _ request: Request, _ take: (Response) throws -> Bool
  ) async throws {
    do {
      let answers = try await client.serverStreaming(
        "/consent.v1." + method, request, returning: Response.self)
      for try await answer in answers where try !take(answer) {
        answers.cancel()
        return
      }
    } catch let error as RPCClientError {
      throw CommandFailure(error)
    }
  }

  /// `grpc.health.v1`: whether the whole server serves.
  static func isServing(_ endpoint: Endpoint) async throws -> Bool {
    let client = RPCClient(endpoint.configuration)
    do {
      // HealthCheckResponse is one enum field; its bytes are read with a message of that shape.
      let answer: Google_Protobuf_Int32Value = try await client.unary(
        "/grpc.health.v1.Health/Check", Google_Protobuf_Empty(), timeout: .seconds(5))
      await client.close()
      return answer.value == 1
    } catch {
      await client.close()
      throw error
    }
  }
}

extension CommandFailure {
  init(_ error: RPCClientError) {
    let text = error.message.isEmpty ? error.code.connectName : error.message
    self =
      switch error.code {
      case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .outOfRange,
        .aborted:
        .data(text)
      case .unauthenticated, .permissionDenied: .notAllowed(text)
      case .unavailable, .deadlineExceeded, .resourceExhausted, .cancelled: .unavailable(text)
      case .ok, .unknown, .unimplemented, .internal, .dataLoss: .fault(text)
      }
  }
}
