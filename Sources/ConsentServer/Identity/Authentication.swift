public import RPCServer

/// Puts the caller's `Principal` into the call, or refuses it, before its message is decoded.
public struct Authentication: Sendable {
  let tokens: TokenFile

  public init(tokens: TokenFile) { self.tokens = tokens }

  public var interceptor: Interceptor {
    { method, context throws(RPCError) in
      if MethodAccess.isOpen(path: method.path) { return }
      let principal = try authenticate(context.metadata)
      guard MethodAccess.allows(principal, path: method.path) else {
        throw ServiceError.permissionDenied(method: method.name).rpcError
      }
      context.principal = principal
    }
  }

  private func authenticate(_ metadata: RequestMetadata) throws(RPCError) -> Principal {
    guard metadata.count("authorization") <= 1 else {
      throw ServiceError.unauthenticated("send one authorization value, not several").rpcError
    }
    guard let value = metadata.bytes("authorization") else {
      throw ServiceError.unauthenticated("send `authorization: Bearer <token>`").rpcError
    }
    let scheme = Array("bearer ".utf8)
    guard value.count > scheme.count,
      zip(value, scheme).allSatisfy({ $0 | 0x20 == $1 || $0 == $1 })
    else {
      throw ServiceError.unauthenticated("the scheme is Bearer").rpcError
    }
    guard let principal = tokens.principal(token: Array(value.dropFirst(scheme.count))) else {
      throw ServiceError.unauthenticated("the token is not known here").rpcError
    }
    return principal
  }
}

extension CallContext {
  /// INVARIANT: the interceptor ran, so that a call without a principal is a fault of ours; it is
  /// refused, never served.
  func caller() throws(RPCError) -> Principal {
    guard let principal = principal as? Principal else {
      throw ServiceError.unauthenticated("no caller is known for this call").rpcError
    }
    return principal
  }
}
