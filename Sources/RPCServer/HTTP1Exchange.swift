import HTTP2
import NIOCore
import NIOHTTP1

/// One HTTP/1.1 request and its reply, as a call or page sees it; on the loop only.
final class HTTP1Exchange {
  /// `nil` once the exchange is over; what is sent then goes nowhere.
  var connection: HTTP1ServerConnection?
  let head: HTTPRequestHead
  var owner: AnyObject?
  /// Whether all of the request is here: a request without a body is complete with its head.
  var requestEnded: Bool
  private(set) var replyStarted = false
  private(set) var replyEnded = false
  /// Body bytes received and not yet taken; above the window the connection is not read.
  private(set) var unconsumed = 0
  /// Body bytes written and not yet taken by the channel.
  private(set) var queuedBytes = 0
  var wantsDrained = false
  var lastInbound: UInt64

  init(connection: HTTP1ServerConnection, head: HTTPRequestHead, now: UInt64) {
    self.connection = connection
    self.head = head
    requestEnded =
      !head.headers.contains(name: "content-length")
      && !head.headers.contains(name: "transfer-encoding")
    lastInbound = now
  }

  func sendHead(_ fields: HTTP2FieldList, endStream: Bool) {
    guard let connection, !replyStarted else { return }
    replyStarted = true
    connection.writeHead(fields.fields, for: self)
    if endStream { end() }
  }

  func sendBody(_ prefix: [UInt8], _ bytes: [UInt8]) {
    guard let connection, replyStarted, !replyEnded else { return }
    let size = prefix.count + bytes.count
    queuedBytes += size
    connection.writeBody(prefix, bytes) { [weak self] count in self?.written(count) }
  }

  private func written(_ size: Int) {
    queuedBytes -= size
    guard wantsDrained, let connection,
      queuedBytes < connection.loop.server.configuration.limits.queuedBytesPerStream / 2
    else { return }
    wantsDrained = false
    (owner as? ServerCall)?.released()
  }

  func end() {
    guard let connection, replyStarted, !replyEnded else { return }
    replyEnded = true
    connection.writeEnd(of: self)
  }

  /// Breaks the reply off: the peer sees a truncated body, as it should.
  func abort() { connection?.closeNow() }

  func received(_ count: Int) { unconsumed += count }

  func consume(_ count: Int) {
    unconsumed = max(0, unconsumed - count)
    connection?.readIfWanted()
  }

  func touch() {
    guard let connection else { return }
    connection.loop.touch(connection)
  }
}
