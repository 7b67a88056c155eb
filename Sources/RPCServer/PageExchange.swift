import HTTP2
import Logging
import RPCWire

/// One request for a page, from its head to its last byte.
///
/// INVARIANT: on the loop only, but for `fields`, `handler` and `loop`, which never change.
final class PageExchange: @unchecked Sendable {
  private let handler: PageHandler
  private let fields: HTTP2Fields
  private let peer: PeerInfo
  private let loop: LoopContext
  private let origin: [UInt8]?
  private var carrier: Carrier
  private var method = ""
  private var path = ""
  private var query = ""
  private var body: [UInt8] = []
  private var task: Task<Void, Never>?
  private var isOver = false
  private var requestEnded = false

  init(
    handler: @escaping PageHandler, fields: HTTP2Fields, peer: PeerInfo, loop: LoopContext,
    origin: [UInt8]?, carrier: Carrier
  ) {
    self.handler = handler
    self.fields = fields
    self.peer = peer
    self.loop = loop
    self.origin = origin
    self.carrier = carrier
  }

  /// True while the request's body is incomplete and wanted.
  var waitsForBody: Bool { !isOver && !requestEnded }

  func begin(method: String, path: String, query: String) {
    self.method = method
    self.path = path
    self.query = query
  }

  func receive(_ bytes: [UInt8]) {
    carrier.consume(bytes.count)
    guard !isOver else { return }
    body.append(contentsOf: bytes)
    if body.count > loop.server.configuration.limits.messageBytes {
      send(PageResponse(status: 413, text: "the body is above the limit; send less\n"))
    }
  }

  func receiveEnd() {
    guard !isOver, !requestEnded else { return }
    requestEnded = true
    let request = PageRequest(
      method: method == "HEAD" ? "GET" : method, path: path, query: query,
      metadata: RequestMetadata(fields: fields), body: body, peer: peer.description,
      isPlaintext: peer.isPlaintext)
    body = []
    task = Task(executorPreference: carrier.lane) { [handler, loop] in
      do {
        loop.enqueue(.page(self, try await handler(request)))
      } catch {
        loop.server.logger.error(
          "page failed", metadata: ["path": "\(request.path)", "error": "\(error)"])
        loop.enqueue(.page(self, nil))
      }
    }
  }

  /// The body made no progress for too long.
  func stalled() { send(PageResponse(status: 408, text: "the request took too long\n")) }

  func finish(_ response: PageResponse?) {
    task = nil
    send(response ?? PageResponse(status: 500, text: "the page failed; the cause is in the log\n"))
  }

  private func send(_ response: PageResponse) {
    guard !isOver else { return }
    isOver = true
    let fields = PlainEncoder.page(response, origin: origin, server: loop.server)
    let sendsBody = method != "HEAD" && !response.body.isEmpty
    carrier.sendHead(.built(fields), endStream: !sendsBody)
    if sendsBody {
      carrier.sendBody([], response.body)
      carrier.end(trailers: nil)
    } else {
      carrier.ended()
    }
    carrier.touch()
  }

  func closed() {
    isOver = true
    task?.cancel()
    task = nil
    carrier = .detached
  }
}
