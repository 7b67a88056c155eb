import RPCWire
import Testing

@Suite struct CallStateTests {
  @Test func aSingleRequestIsDeliveredOnce() {
    var state = CallState(requestIsSingle: true)
    #expect(state.received() == .deliver)
    #expect(state.receivedEnd() == .deliverEnd)
  }

  @Test func aSecondMessageOfASingleRequestFails() {
    var state = CallState(requestIsSingle: true)
    _ = state.received()
    guard case .fail(let fault) = state.received() else {
      Issue.record("a second message was taken")
      return
    }
    #expect(fault.code == .unimplemented)
  }

  @Test func anEmptySingleRequestFails() {
    var state = CallState(requestIsSingle: true)
    guard case .fail(let fault) = state.receivedEnd() else {
      Issue.record("an empty request was taken")
      return
    }
    #expect(fault.code == .unimplemented)
  }

  @Test func aStreamingRequestMayBeEmptyOrLong() {
    var empty = CallState(requestIsSingle: false)
    #expect(empty.receivedEnd() == .deliverEnd)
    var long = CallState(requestIsSingle: false)
    for _ in 0..<10 { #expect(long.received() == .deliver) }
  }

  @Test func headersGoOutWithTheFirstMessageOnly() {
    var state = CallState(requestIsSingle: true)
    #expect(state.send() == .headersAndMessage)
    #expect(state.send() == .message)
    #expect(state.finish() == .trailers)
  }

  @Test func anEndBeforeAnyMessageIsOneHeaderList() {
    var state = CallState(requestIsSingle: true)
    #expect(state.finish() == .trailersOnly)
  }

  @Test func headersSentEarlyMakeTheEndTrailers() {
    var state = CallState(requestIsSingle: true)
    let first = state.sendHeaders()
    let second = state.sendHeaders()
    #expect(first && !second)
    #expect(state.send() == .message)
    #expect(state.finish() == .trailers)
  }

  @Test func nothingHappensAfterTheEnd() {
    var state = CallState(requestIsSingle: false)
    _ = state.finish()
    #expect(state.finish() == .ignore)
    #expect(state.send() == .drop)
    #expect(state.received() == .ignore)
    #expect(state.receivedEnd() == .ignore)
  }
}
