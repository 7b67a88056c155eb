import HTTP2
import RPCWire

/// What a request is, decided from its head alone. The first rule that matches wins; the order is
/// the table of protocols from the most specific to "not found".
enum Route {
  case call(CallPlan)
  case page(PageHandler, path: String, query: String)
  case preflight(origin: [UInt8])
  /// A plain HTTP answer without a body worth naming.
  case plain(PlainReply)
}

/// A call as its head describes it, or the error that refuses it in its own protocol.
struct CallPlan {
  var method: RPCMethod
  var codec: CallCodec
  var contentType: [UInt8]
  /// Nanoseconds allowed by the caller.
  var timeout: UInt64?
  var requestCompression: Compression?
  var replyCompression: Compression?
  /// The message of a Connect GET.
  var getMessage: [UInt8]?
  var refusal: RPCError?
  /// HTTP status of a refused Connect call, where it is not the code's own.
  var status: Int?
}

struct PlainReply {
  var status: Int
  var text: String
  var fields: [(StaticString, String)] = []
}

struct Router {
  let server: ServerCore

  enum Transport { case http1, http2 }

  func route(
    _ fields: HTTP2Fields, _ head: RequestHead, overflowed: Bool, over transport: Transport
  ) -> Route {
    guard head.method >= 0, head.path >= 0 else {
      return .plain(PlainReply(status: 400, text: "the request names no method or path"))
    }
    let method = fields.value(head.method)
    let target = fields.value(head.path)
    let mark = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
    let path = target[target.startIndex..<mark]
    let rpc = server.methods[path]
    if ASCII.equals(method, "POST") {
      return post(fields, head, path: path, query: target[mark...], rpc, overflowed, transport)
    }
    if overflowed { return tooManyHeaders }
    if ASCII.equals(method, "OPTIONS"), head.origin >= 0, head.preflightMethod >= 0 {
      return .preflight(origin: Array(fields.value(head.origin)))
    }
    if let page = page(path, target[mark...]) { return page }
    guard let rpc else { return fallback(path, target[mark...]) }
    if ASCII.equals(method, "GET") {
      let query = QueryString(target[mark...].dropFirst())
      if ConnectGetQuery.isPresent(in: query) { return get(fields, head, query, rpc) }
    }
    return methodNotAllowed(rpc)
  }

  private var tooManyHeaders: Route {
    .plain(PlainReply(status: 431, text: "the request headers are above the limit; send less"))
  }

  private func methodNotAllowed(_ rpc: RPCMethod) -> Route {
    .plain(
      PlainReply(
        status: 405, text: "call this path with POST",
        fields: [("allow", rpc.info.noSideEffects ? "GET, POST" : "POST")]))
  }

  private func page(_ path: ArraySlice<UInt8>, _ query: ArraySlice<UInt8>) -> Route? {
    let path = String(decoding: path, as: UTF8.self)
    guard let handler = server.pages[path] else { return nil }
    return .page(handler, path: path, query: String(decoding: query.dropFirst(), as: UTF8.self))
  }

  private func fallback(_ path: ArraySlice<UInt8>, _ query: ArraySlice<UInt8>) -> Route {
    guard let handler = server.configuration.fallbackPage else {
      return .plain(PlainReply(status: 404, text: "nothing is here"))
    }
    return .page(
      handler, path: String(decoding: path, as: UTF8.self),
      query: String(decoding: query.dropFirst(), as: UTF8.self))
  }

  // MARK: POST

  private func post(
    _ fields: HTTP2Fields, _ head: RequestHead, path: ArraySlice<UInt8>,
    query: ArraySlice<UInt8>, _ rpc: RPCMethod?, _ overflowed: Bool, _ transport: Transport
  ) -> Route {
    let value = head.contentType >= 0 ? fields.value(head.contentType) : []
    let type = ContentType.classify(value)
    if rpc == nil, !isGRPC(type) {
      if overflowed { return tooManyHeaders }
      if let page = page(path, query) { return page }
      if type == nil || !looksLikeMethod(path) { return fallback(path, query) }
    }
    guard let type else {
      if overflowed { return tooManyHeaders }
      return .plain(
        PlainReply(
          status: 415, text: "use one of the content types in accept-post",
          fields: [("accept-post", ContentType.accepted.description)]))
    }
    if overflowed, !isGRPC(type) { return tooManyHeaders }
    var plan = CallPlan(
      method: rpc ?? Self.noMethod, codec: codec(of: type),
      contentType: ReplyTables.contentType(value))
    if let refused = refuseByTransport(type, plan, transport) { return refused }
    do throws(WireFault) {
      try check(fields, head, overflowed: overflowed)
      try readSettings(of: &plan, fields, head)
    } catch {
      plan.refusal = RPCError(error.code, error.message)
    }
    if rpc == nil {
      plan.refusal = StandardErrors.noSuchMethod
      if plan.codec.form == .connectUnary { plan.status = 404 }
    }
    return .call(plan)
  }

  private func isGRPC(_ type: ContentType?) -> Bool {
    switch type {
    case .grpc, .grpcWeb: true
    case .connectStreaming, .bare, nil: false
    }
  }

  /// `/package.Service/Method`: two segments, the first with a dot in it.
  private func looksLikeMethod(_ path: ArraySlice<UInt8>) -> Bool {
    let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return parts.count == 3 && parts[0].isEmpty && parts[1].contains(UInt8(ascii: "."))
      && !parts[2].isEmpty
  }

  private func codec(of type: ContentType) -> CallCodec {
    switch type {
    case .grpc(let encoding): CallCodec(form: .grpc, encoding: encoding)
    case .grpcWeb(let encoding): CallCodec(form: .grpcWeb, encoding: encoding)
    case .connectStreaming(let encoding): CallCodec(form: .connectStreaming, encoding: encoding)
    case .bare(let encoding): CallCodec(form: .connectUnary, encoding: encoding)
    }
  }

  /// Calls that this transport or content type cannot carry.
  private func refuseByTransport(
    _ type: ContentType, _ plan: CallPlan, _ transport: Transport
  ) -> Route? {
    let shape = plan.method.info.shape
    switch type {
    case .grpc:
      guard transport == .http1 else { return nil }
      return .plain(
        PlainReply(
          status: 505, text: "gRPC needs HTTP/2", fields: [("connection", "close")]))
    case .bare where shape != .unary && plan.method.info !== Self.noMethod.info,
      .connectStreaming where shape == .unary:
      return .plain(
        PlainReply(
          status: 415, text: "this method is \(shape); use the matching content type",
          fields: [("accept-post", ContentType.accepted.description)]))
    case .grpcWeb, .connectStreaming, .bare:
      guard transport == .http1, shape == .bidirectional,
        plan.method.info !== Self.noMethod.info
      else { return nil }
      return .plain(
        PlainReply(
          status: 505, text: "a bidirectional stream needs HTTP/2",
          fields: [("connection", "close")]))
    }
  }

  private func check(
    _ fields: HTTP2Fields, _ head: RequestHead, overflowed: Bool
  ) throws(WireFault) {
    if overflowed {
      throw WireFault(.resourceExhausted, "the request metadata is above the limit; send less")
    }
    if head.authorities > 1 || head.hosts > 1 {
      throw WireFault(.internal, "the request names several authorities; send one")
    }
    if head.hasBadBinary {
      throw WireFault(.internal, "a -bin metadata value is not base64")
    }
  }

  // MARK: GET

  private func get(
    _ fields: HTTP2Fields, _ head: RequestHead, _ query: QueryString, _ rpc: RPCMethod
  ) -> Route {
    guard rpc.info.noSideEffects, rpc.info.shape == .unary else { return methodNotAllowed(rpc) }
    let named = query["encoding"] ?? []
    let encoding: MessageEncoding = ASCII.equals(named, "json") ? .json : .proto
    var plan = CallPlan(
      method: rpc, codec: CallCodec(form: .connectGet, encoding: encoding),
      contentType: Array((encoding == .json ? "application/json" : "application/proto").utf8))
    do throws(WireFault) {
      try check(fields, head, overflowed: false)
      let get = try ConnectGetQuery(query)
      plan.getMessage = get.message
      try readSettings(of: &plan, fields, head)
      if let name = get.compression {
        plan.requestCompression = try compression(named: name[...])
      }
    } catch {
      plan.refusal = RPCError(error.code, error.message)
    }
    return .call(plan)
  }

  // MARK: Timeout, version, compression

  private func readSettings(
    of plan: inout CallPlan, _ fields: HTTP2Fields, _ head: RequestHead
  ) throws(WireFault) {
    switch plan.codec.form {
    case .grpc, .grpcWeb:
      if head.grpcTimeout >= 0 {
        plan.timeout = CallTimeout.parseGRPC(fields.value(head.grpcTimeout))
        guard plan.timeout != nil else {
          throw WireFault(
            .internal, "grpc-timeout takes 1 to 8 digits and one of H, M, S, m, u, n")
        }
      }
      try readCompression(
        of: &plan, fields, head.grpcEncoding, accepting: head.grpcAcceptEncoding)
    case .connectStreaming:
      try readConnect(of: &plan, fields, head)
      try readCompression(
        of: &plan, fields, head.connectEncoding, accepting: head.connectAcceptEncoding)
    case .connectUnary:
      try readConnect(of: &plan, fields, head)
      try readCompression(of: &plan, fields, head.contentEncoding, accepting: head.acceptEncoding)
    case .connectGet:
      try readConnect(of: &plan, fields, head)
      try readCompression(of: &plan, fields, -1, accepting: head.acceptEncoding)
    }
  }

  private func readConnect(
    of plan: inout CallPlan, _ fields: HTTP2Fields, _ head: RequestHead
  ) throws(WireFault) {
    if head.connectVersion >= 0, !ASCII.equals(fields.value(head.connectVersion), "1") {
      throw WireFault(.invalidArgument, "connect-protocol-version must be 1")
    }
    guard head.connectTimeout >= 0 else { return }
    plan.timeout = CallTimeout.parseConnect(fields.value(head.connectTimeout))
    guard plan.timeout != nil else {
      throw WireFault(.invalidArgument, "connect-timeout-ms takes 1 to 10 digits")
    }
  }

  private func readCompression(
    of plan: inout CallPlan, _ fields: HTTP2Fields, _ index: Int, accepting accepted: Int
  ) throws(WireFault) {
    // Before the request's own encoding, so that even its refusal may be compressed.
    if accepted >= 0, Compression.listNamesGzip(fields.value(accepted)) {
      plan.replyCompression = .gzip
    }
    if index >= 0 { plan.requestCompression = try compression(named: fields.value(index)) }
  }

  private func compression(named name: ArraySlice<UInt8>) throws(WireFault) -> Compression? {
    switch Compression.named(name) {
    case .identity: return nil
    case .gzip: return .gzip
    case .unknown:
      throw WireFault(.unimplemented, "this compression is unknown; use identity or gzip")
    }
  }
}
