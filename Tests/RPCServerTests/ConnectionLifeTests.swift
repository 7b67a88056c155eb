import NIOCore
import Testing

@testable import RPCServer

@Suite struct ConnectionLifeTests {
  private let second: UInt64 = 1_000_000_000

  private func make(
    jitter: Double = 0, _ change: (inout RPCServerConfiguration) -> Void = { _ in }
  ) -> HTTP2ConnectionLife {
    var configuration = RPCServerConfiguration()
    change(&configuration)
    var life = HTTP2ConnectionLife(configuration: configuration, now: 0, jitter: jitter)
    life.settingsAcknowledged()
    return life
  }

  @Test func settingsMustBeAcknowledgedInTime() {
    var life = HTTP2ConnectionLife(configuration: RPCServerConfiguration(), now: 0)
    #expect(life.check(now: 10 * second, lastRead: 0, openStreams: 0).isEmpty)
    #expect(life.check(now: 11 * second, lastRead: 0, openStreams: 0) == [.settingsTimeout])
  }

  @Test func aDrainAnnouncesAndRefusesAfterTheAcknowledgement() {
    var life = make()
    #expect(
      life.drain(now: 0) == [.shutdownNotice, .ping(HTTP2ConnectionLife.drainPayload)])
    #expect(life.drain(now: 0).isEmpty)
    #expect(life.pingAcknowledged(HTTP2ConnectionLife.keepalivePayload).isEmpty)
    #expect(life.pingAcknowledged(HTTP2ConnectionLife.drainPayload) == [.goAway])
    #expect(life.pingAcknowledged(HTTP2ConnectionLife.drainPayload).isEmpty)
  }

  @Test func aDrainDoesNotWaitForEverForTheAcknowledgement() {
    var life = make()
    _ = life.drain(now: 0)
    #expect(life.check(now: 5 * second, lastRead: 0, openStreams: 1).isEmpty)
    #expect(life.check(now: 6 * second, lastRead: 0, openStreams: 1) == [.goAway])
    #expect(life.pingAcknowledged(HTTP2ConnectionLife.drainPayload).isEmpty)
  }

  @Test func silenceIsProbedAndAnUnansweredProbeCloses() {
    var life = make { $0.keepalive.pingAfterSilence = 60_000 }
    #expect(life.check(now: 60 * second, lastRead: 0, openStreams: 0).isEmpty)
    let probe = life.check(now: 61 * second, lastRead: 0, openStreams: 0)
    #expect(probe == [.ping(HTTP2ConnectionLife.keepalivePayload)])
    #expect(life.check(now: 81 * second, lastRead: 0, openStreams: 0).isEmpty)
    #expect(life.check(now: 82 * second, lastRead: 0, openStreams: 0) == [.close])
  }

  @Test func anythingReadAnswersTheProbe() {
    var life = make { $0.keepalive.pingAfterSilence = 60_000 }
    _ = life.check(now: 61 * second, lastRead: 0, openStreams: 0)
    #expect(life.check(now: 90 * second, lastRead: 62 * second, openStreams: 0).isEmpty)
  }

  @Test(arguments: [(-1.0, 90), (0.0, 100), (1.0, 110)])
  func ageEndsAConnectionWithItsJitter(jitter: Double, seconds: Int) {
    var life = make(jitter: jitter) { $0.timers.maximumConnectionAge = 100_000 }
    let limit = UInt64(seconds) * second
    #expect(life.check(now: limit, lastRead: limit, openStreams: 1).isEmpty)
    let actions = life.check(now: limit + second, lastRead: limit, openStreams: 1)
    #expect(actions.first == .shutdownNotice)
    #expect(
      life.check(now: limit + 40 * second, lastRead: limit, openStreams: 1) == [.close])
  }

  @Test func idlenessCountsFromTheLastStream() {
    var life = make { $0.timers.maximumConnectionIdle = 10_000 }
    #expect(life.check(now: 20 * second, lastRead: 0, openStreams: 1).isEmpty)
    #expect(life.check(now: 21 * second, lastRead: 0, openStreams: 0).isEmpty)
    #expect(life.check(now: 31 * second, lastRead: 0, openStreams: 0).isEmpty)
    #expect(
      life.check(now: 32 * second, lastRead: 0, openStreams: 0).first == .shutdownNotice)
  }
}

@Suite struct SnifferTests {
  @Test func everyCutOfThePrefaceIsUndecidedUntilItIsWhole() {
    let preface = ProtocolSniffer.preface
    for count in 0..<preface.count {
      #expect(ProtocolSniffer.examine(preface.prefix(count)) == .undecided)
    }
    #expect(ProtocolSniffer.examine(preface) == .http2)
  }

  @Test func oneDifferentByteDecidesForHTTP1() {
    for index in ProtocolSniffer.preface.indices {
      var bytes = ProtocolSniffer.preface
      bytes[index] ^= 0x20
      #expect(ProtocolSniffer.examine(bytes.prefix(index + 1)) == .http1)
    }
    #expect(ProtocolSniffer.examine(Array("PO".utf8)) == .http1)
  }
}

@Suite struct HTTPDateTests {
  @Test(arguments: [
    (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
    (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
    (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
    (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
    (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
  ])
  func datesAreWrittenAsHTTPWantsThem(seconds: Int, text: String) {
    #expect(HTTPDate.format(seconds) == text)
  }
}

@Suite struct AdmissionTests {
  @Test func connectionsAreCountedInAllAndByAddress() throws {
    var limits = RPCServerConfiguration.Limits()
    limits.connections = 3
    limits.connectionsPerAddress = 2
    let admission = ConnectionAdmission(limits: limits)
    let one = try address("10.0.0.1")
    let other = try address("10.0.0.2")
    let pass = try #require(admission.admit(one))
    #expect(admission.admit(one) != nil && admission.admit(one) == nil)
    #expect(admission.admit(other) != nil && admission.admit(other) == nil)
    admission.leave(pass)
    #expect(admission.admit(other) != nil)
  }

  private func address(_ text: String) throws -> SocketAddress {
    try SocketAddress(ipAddress: text, port: 1)
  }
}
