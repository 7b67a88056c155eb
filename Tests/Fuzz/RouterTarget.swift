import HTTP2
import RPCWire

/// Where a request goes, from its head alone. The first byte of an input says over what, whether the
/// head overflowed and whether there is a page for all other paths; the rest is a list of lines
/// `name:value`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRouter(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = bytes.first else { return 0 }
  var fields = HTTP2Fields()
  for line in bytes.dropFirst().split(separator: UInt8(ascii: "\n")).prefix(128) {
    // A pseudo-header begins with a colon of its own.
    let colon = line.dropFirst().firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    fields.add(Array(line[..<colon]), Array(line[colon...].dropFirst()))
  }
  let asked = Asked(
    fields: fields, head: RequestHead(fields), overflowed: first & 2 != 0,
    transport: first & 1 != 0 ? .http1 : .http2, hasFallback: first & 4 != 0)
  let route = asked.route()
  asked.check(route)
  expect(String(describing: asked.route()) == String(describing: route), "the same again")
  return 0
}

private let methods: [RPCMethod] = [
  RPCMethod("/a.B/Get", .unary, noSideEffects: true), RPCMethod("/a.B/Unary", .unary),
  RPCMethod("/a.B/Serve", .serverStreaming), RPCMethod("/a.B/Collect", .clientStreaming),
  RPCMethod("/a.B/Bidi", .bidirectional),
]
private let table = MethodTable(methods)

private struct Asked {
  let fields: HTTP2Fields
  let head: RequestHead
  let overflowed: Bool
  let transport: Router.Transport
  let hasFallback: Bool

  func route() -> Route {
    let server = ServerCore(
      methods: table, pages: ["/healthz": "health"],
      configuration: .init(fallbackPage: hasFallback ? "fallback" : nil))
    return Router(server: server).route(fields, head, overflowed: overflowed, over: transport)
  }

  private func value(_ index: Int) -> String? { index < 0 ? nil : text(fields.value(index)) }
  private var method: String? { value(head.method) }
  private var target: String? { value(head.path) }
  private var path: String? {
    head.path < 0 ? nil : text(fields.value(head.path).prefix { $0 != UInt8(ascii: "?") })
  }

  func check(_ route: Route) {
    switch route {
    case .call(let plan): check(plan)
    case .page(let handler, let path, _):
      expect(!overflowed, "a head that was cut short opens no page")
      expect(path == self.path, "a page is told its path")
      expect(handler == "health" ? path == "/healthz" : hasFallback, "a page is its path's")
    case .preflight(let origin):
      expect(method == "OPTIONS" && value(head.origin) == text(origin), "a browser asks first")
    case .plain(let reply):
      expect([400, 404, 405, 415, 431, 505].contains(reply.status), "an answer without a call")
      expect(!overflowed || reply.status != 404, "too much is not said to be nothing")
    }
  }

  private func check(_ plan: CallPlan) {
    let info = plan.method.info
    let isKnown = info !== Router.noMethod.info
    expect(isKnown ? path.map { $0 == info.path } == true : true, "a call is its path's")
    expect(isKnown || plan.refusal?.code == .unimplemented, "no method, no call")
    expect(!overflowed || plan.refusal != nil, "a head that was cut short calls nothing")
    expect(plan.refusal == nil || plan.refusal?.code != .ok, "a refusal is an error")
    if transport == .http1 {
      expect(plan.codec.form != .grpc, "gRPC needs HTTP/2")
      expect(!isKnown || info.shape != .bidirectional, "and so do both ways at once")
    }
    let isGet = plan.codec.form == .connectGet
    expect(method == (isGet ? "GET" : "POST"), "the method of a call")
    if isGet { expect(info.noSideEffects && info.shape == .unary, "a GET changes nothing") }
    expect(isGet || plan.getMessage == nil, "a message in the path is a GET's")
    if plan.codec.isBare { expect(!isKnown || info.shape == .unary, "a bare body is one message") }
    if plan.codec.form == .connectStreaming {
      expect(!isKnown || info.shape != .unary, "a stream is no single message")
    }
    if plan.refusal == nil { checkAccepted(plan) }
  }

  private func checkAccepted(_ plan: CallPlan) {
    let isGRPC = plan.codec.form == .grpc || plan.codec.form == .grpcWeb
    let timeout = isGRPC ? head.grpcTimeout : head.connectTimeout
    expect((timeout >= 0) == (plan.timeout != nil), "a limit of time is kept, or refused")
    expect(!head.hasBadBinary && head.authorities <= 1 && head.hosts <= 1, "what is odd is refused")
    let encoding: Int? =
      switch plan.codec.form {
      case .grpc, .grpcWeb: head.grpcEncoding
      case .connectStreaming: head.connectEncoding
      case .connectUnary: head.contentEncoding
      case .connectGet: nil
      }
    if let encoding, let name = value(encoding)?.lowercased() {
      expect(["gzip", "identity"].contains(name), "only what can be inflated is taken")
      expect((plan.requestCompression != nil) == (name == "gzip"), "and as what it is")
    }
    if plan.codec.form != .connectGet {
      expect(
        plan.contentType == head.contentType.value(in: fields), "the reply's type is the request's")
    }
  }
}

extension Int {
  fileprivate func value(in fields: HTTP2Fields) -> [UInt8]? {
    self < 0 ? nil : Array(fields.value(self))
  }
}
