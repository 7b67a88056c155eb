import ConsentProto

@testable import ConsentServer

extension ConsentService {
  /// `check` as a test wants it: awaited.
  static func check(
    _ service: ConsentService, _ request: Consent_V1_CheckRequest, by caller: Principal
  ) async throws -> Consent_V1_CheckResponse {
    let answered = try await withCheckedThrowingContinuation { continuation in
      do {
        _ = try check(service, request, by: caller) { continuation.resume(with: $0) }
      } catch {
        continuation.resume(throwing: error)
      }
    }
    return try Consent_V1_CheckResponse(answered, to: caller.limits)
  }
}
