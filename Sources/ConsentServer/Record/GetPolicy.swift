import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Shows a policy version; without naming one, the one in force now.
  static func getPolicy(
    _ service: ConsentService, _ request: Consent_V1_GetPolicyRequest, by caller: Principal
  ) async throws -> Consent_V1_GetPolicyResponse {
    let asked = try RequestReader.read { reader -> (AskedPolicy, KnownPosition?)? in
      let which = reader.askedPolicy(request.which)
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return which.map { ($0, position) }
    }
    let (which, position) = asked
    return try await service.look(by: caller, minPosition: position) { reader, _ in
      let facts = try reader.organizationFacts(asOf: nil)
      let policy = try which.policy(in: facts, now: reader.now)
      var response = Consent_V1_GetPolicyResponse()
      response.policy = Consent_V1_Policy(policy, timeZone: reader.organization.timeZone)
      if policy.version > 0 {
        response.policy.recordedBy = Consent_V1_Identifier(recorder: policy.stamp.by)
      }
      return response
    }
  }
}

private enum AskedPolicy: Sendable {
  case version(Int)
  case inForce(Instant?)

  /// - Throws: NOT_FOUND for a version that was never set.
  func policy(in facts: Facts, now: Instant) throws -> Policy {
    switch self {
    case .inForce(let instant): return facts.policy(at: instant ?? now)
    case .version(0): return Policy()
    case .version(let version):
      guard let policy = facts.policies.first(where: { $0.version == version }) else {
        throw ServiceError.notFound(kind: RecordKind.policy.name, name: String(version))
      }
      return policy
    }
  }
}

extension RequestReader {
  fileprivate mutating func askedPolicy(
    _ which: Consent_V1_GetPolicyRequest.OneOf_Which?
  ) -> AskedPolicy? {
    switch which {
    case nil: return .inForce(nil)
    case .version(let version)?:
      guard let version = Int(exactly: version) else {
        refuse("version", "is no version of any policy")
        return nil
      }
      return .version(version)
    case .inForceAt(let stamp)?: return instant(stamp, "in_force_at").map { .inForce($0) }
    }
  }
}
