import FoundationEssentials
import RPCWire
import SwiftProtobuf

/// `grpc.reflection.v1` and `v1alpha`: two names for the same messages.
///
/// - Source: grpc/grpc `doc/server-reflection.md`. Errors are answers of the stream, not its end.
enum ReflectionService {
  private typealias Request = Grpc_Reflection_V1_ServerReflectionRequest
  private typealias Response = Grpc_Reflection_V1_ServerReflectionResponse

  static let names = [
    "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
  ]

  /// - Parameter services: full names to list, besides reflection itself.
  static func methods(_ index: DescriptorIndex, services: Set<String>) -> [RPCMethod] {
    let listed = services.union(names).sorted()
    return names.map { name in
      .bidirectional("/\(name)/ServerReflectionInfo") {
        (requests: RequestStream<Request>, _, writer: ResponseWriter<Response>) in
        for try await request in requests {
          try await writer.send(answer(request, index, listed))
        }
      }
    }
  }

  private static func answer(
    _ request: Request, _ index: DescriptorIndex, _ services: [String]
  ) -> Response {
    var response = Response()
    response.validHost = request.host
    response.originalRequest = request
    switch request.messageRequest {
    case .fileByFilename(let name):
      fill(&response, files: index.closure(ofFile: name))
    case .fileContainingSymbol(let name):
      fill(&response, files: index.closure(ofSymbol: name))
    case .fileContainingExtension(let wanted):
      fill(
        &response,
        files: index.closure(ofExtension: wanted.extensionNumber, of: wanted.containingType))
    case .allExtensionNumbersOfType(let type):
      guard let numbers = index.extensionNumbers(of: type) else {
        fill(&response, files: nil)
        break
      }
      response.allExtensionNumbersResponse = .with {
        $0.baseTypeName = type
        $0.extensionNumber = numbers
      }
    case .listServices:
      response.listServicesResponse = .with {
        $0.service = services.map { name in .with { $0.name = name } }
      }
    case nil:
      response.errorResponse = .with {
        $0.errorCode = Int32(RPCCode.invalidArgument.rawValue)
        $0.errorMessage = "the request asks for nothing"
      }
    }
    return response
  }

  private static func fill(_ response: inout Response, files: [Data]?) {
    if let files {
      response.fileDescriptorResponse = .with { $0.fileDescriptorProto = files }
    } else {
      response.errorResponse = .with {
        $0.errorCode = Int32(RPCCode.notFound.rawValue)
        $0.errorMessage = "not found; list the services first"
      }
    }
  }
}
