/// A violation of the protocol by the peer: the code it is answered with and what is wrong.
public struct WireFault: Error, Equatable, Sendable {
  public let code: RPCCode
  public let message: String

  public init(_ code: RPCCode, _ message: String) {
    self.code = code
    self.message = message
  }
}
