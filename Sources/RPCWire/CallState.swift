/// Where one call of a server stands, whatever protocol carries it.
///
/// Pure: each method takes what happened and returns what to do.
public struct CallState: Sendable {
  public enum Reply: Sendable, Equatable { case nothingSent, headersSent, ended }

  public enum RequestAction: Equatable, Sendable {
    /// Hand the message to the handler.
    case deliver
    case ignore
    case fail(WireFault)
  }

  public enum EndAction: Equatable, Sendable {
    /// The request is complete.
    case deliverEnd
    case ignore
    case fail(WireFault)
  }

  public enum SendAction: Equatable, Sendable {
    case headersAndMessage
    case message
    /// The call is over; nobody reads it.
    case drop
  }

  public enum FinishAction: Equatable, Sendable {
    /// One header list that is also the end.
    case trailersOnly
    /// Headers were sent before.
    case trailers
    /// The call is over.
    case ignore
  }

  let requestIsSingle: Bool
  public private(set) var reply: Reply = .nothingSent
  public private(set) var requestMessages = 0
  public private(set) var requestEnded = false

  /// - Parameter requestIsSingle: unary and server-streaming calls take exactly one message.
  public init(requestIsSingle: Bool) { self.requestIsSingle = requestIsSingle }

  /// A whole request message arrived.
  public mutating func received() -> RequestAction {
    guard reply != .ended, !requestEnded else { return .ignore }
    requestMessages += 1
    if requestIsSingle, requestMessages > 1 {
      return .fail(WireFault(.unimplemented, "this method takes one message, several came"))
    }
    return .deliver
  }

  /// The caller ended its side.
  public mutating func receivedEnd() -> EndAction {
    guard reply != .ended, !requestEnded else { return .ignore }
    requestEnded = true
    if requestIsSingle, requestMessages == 0 {
      return .fail(WireFault(.unimplemented, "this method takes one message, none came"))
    }
    return .deliverEnd
  }

  public mutating func sendHeaders() -> Bool {
    guard reply == .nothingSent else { return false }
    reply = .headersSent
    return true
  }

  public mutating func send() -> SendAction {
    switch reply {
    case .nothingSent:
      reply = .headersSent
      return .headersAndMessage
    case .headersSent: return .message
    case .ended: return .drop
    }
  }

  public mutating func finish() -> FinishAction {
    defer { reply = .ended }
    switch reply {
    case .nothingSent: return .trailersOnly
    case .headersSent: return .trailers
    case .ended: return .ignore
    }
  }
}
