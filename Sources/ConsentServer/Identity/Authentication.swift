public import RPCServer

/// Puts the caller's `Principal` into the call, or refuses it, before its message is decoded.
///
/// Who calls is said by one credential: the bearer token where there is one, else the client
/// certificate. A token that is not valid is refused whatever the certificate says, so that nobody
/// goes on as somebody else without noticing.
public struct Authentication: Sendable {
  let callers: CallerDirectory

  public init(callers: CallerDirectory) { self.callers = callers }

  public var interceptor: Interceptor {
    { method, context throws(RPCError) in
      if MethodAccess.isOpen(path: method.path) { return }
      let known: KnownCaller
      do throws(ServiceError) {
        known = try await self.known(
          authorization: context.metadata.bytes("authorization"),
          times: context.metadata.count("authorization"), certificates: context.clientCertificates)
      } catch {
        throw error.rpcError
      }
      try Self.admit(known, to: method, &context)
    }
  }

  /// The same for callers who are known without waiting: all but one who comes with a signed token
  /// that was not verified yet.
  ///
  /// Who was admitted is admitted again by the same header bytes, of which the method's name is one,
  /// on the same connection, and so with the same certificate, for as long as `CallerDirectory` says
  /// so.
  public var promptInterceptor: PromptInterceptor {
    { method, context, memory throws(RPCError) in
      if let known = memory as? KnownCaller, callers.isCurrent(known) {
        context.principal = known
        return .admitted
      }
      if MethodAccess.isOpen(path: method.path) { return .admitted }
      let known: KnownCaller?
      do throws(ServiceError) {
        let credential = try Self.credential(
          authorization: context.metadata.bytes("authorization"),
          times: context.metadata.count("authorization"), certificates: context.clientCertificates)
        switch credential {
        case .bearer(let token): known = try callers.known(bearer: token)
        case .certificate(let leaf): known = try callers.known(certificate: leaf)
        }
      } catch {
        throw error.rpcError
      }
      guard let known else { return .mustWait }
      try Self.admit(known, to: method, &context)
      memory = known
      return .admitted
    }
  }

  private static func admit(
    _ caller: KnownCaller, to method: RPCMethod.Info, _ context: inout CallContext
  ) throws(RPCError) {
    guard MethodAccess.allows(caller.principal, path: method.path) else {
      throw ServiceError.permissionDenied(method: method.name).rpcError
    }
    context.principal = caller
  }

  /// What a caller is known by.
  private enum Credential {
    case bearer(ArraySlice<UInt8>)
    case certificate([UInt8])
  }

  private static func credential(
    authorization: ArraySlice<UInt8>?, times: Int, certificates: [[UInt8]]
  ) throws(ServiceError) -> Credential {
    guard times <= 1 else {
      throw .unauthenticated("send one authorization value, not several")
    }
    if let value = authorization {
      guard let token = BearerHeader.token(in: value) else {
        throw .unauthenticated("the scheme is Bearer")
      }
      return .bearer(token)
    }
    if let leaf = certificates.first { return .certificate(leaf) }
    throw .unauthenticated(
      "send `authorization: Bearer <token>`, or come with a client certificate")
  }

  /// - Parameters:
  ///   - authorization: the first value of that field.
  ///   - times: how often the field is there.
  ///   - certificates: what the handshake verified, the client's own first.
  func principal(
    authorization: ArraySlice<UInt8>?, times: Int, certificates: [[UInt8]]
  ) async throws(ServiceError) -> Principal {
    try await known(authorization: authorization, times: times, certificates: certificates)
      .principal
  }

  private func known(
    authorization: ArraySlice<UInt8>?, times: Int, certificates: [[UInt8]]
  ) async throws(ServiceError) -> KnownCaller {
    let credential = try Self.credential(
      authorization: authorization, times: times, certificates: certificates)
    switch credential {
    case .bearer(let token):
      if let known = try callers.known(bearer: token) { return known }
      return KnownCaller(once: try await callers.verifiedPrincipal(bearer: token))
    case .certificate(let leaf): return try callers.known(certificate: leaf)
    }
  }
}

extension CallContext {
  /// INVARIANT: the interceptor ran, so that a call without a principal is a fault of ours; it is
  /// refused, never served.
  func caller() throws(RPCError) -> Principal {
    guard let known = principal as? KnownCaller else {
      throw ServiceError.unauthenticated("no caller is known for this call").rpcError
    }
    return known.principal
  }
}
