import Foundation
import RPCClient
import RPCServer
import RPCWire
import SwiftProtobuf
import Synchronization
import Testing

private typealias Text = Google_Protobuf_StringValue
private typealias Reply = PendingReply<Google_Protobuf_StringValue>

/// Handlers that answer later, without a task of theirs.
@Suite struct PendingReplyTests {
  /// Replies that were not given yet, and a way to wait for them.
  private final class Owed: Sendable {
    private let (stream, continuation) = AsyncStream.makeStream(of: Reply.self)
    func add(_ reply: Reply) { continuation.yield(reply) }
    func next() async -> Reply? { await stream.first { _ in true } }
  }

  /// Gives nothing by itself; tells of calls that end without an answer.
  private static func stuck(_ owed: Owed, _ cancelled: Signal? = nil) -> RPCMethod {
    .pendingUnary("/t.S/Stuck") { (_: Text, _, reply: Reply) in
      if let cancelled { reply.whenCancelled { cancelled.give() } }
      owed.add(reply)
    }
  }

  private static func ask(_ client: RPCClient, _ text: String = "") async throws -> String {
    try await client.unary("/t.S/Stuck", Text(text), returning: Text.self).value
  }

  /// Waits for the loop to have counted a handler out; it does so after the caller was answered.
  private static func waitForNoCalls(_ server: RPCServer) async {
    while server.statistics.callsInFlight > 0 { await Task.yield() }
  }

  // MARK: Answers

  @Test func eachIsAnsweredWithItsOwnFromWhereverItComes() async throws {
    let gathered = Mutex<[(String, Reply)]>([])
    let method = RPCMethod.pendingUnary("/t.S/Ask") { (request: Text, _, reply: Reply) in
      let text = request.value
      switch text.utf8.count % 3 {
      case 0: reply.answer(request)
      case 1: Task.detached { reply.answer { Text(text) } }
      default:
        let batch = gathered.withLock { gathered in
          gathered.append((text, reply))
          defer { if gathered.count >= 5 { gathered = [] } }
          return gathered.count >= 5 ? gathered : []
        }
        Task.detached { for (text, reply) in batch.reversed() { reply.answer(Text(text)) } }
      }
    }
    try await withServer([method]) { client, server in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<600 {
          group.addTask {
            let text = "\(number)" + String(repeating: "x", count: number % 3)
            let reply: Text = try await client.unary("/t.S/Ask", Text(text))
            return reply.value == text
          }
        }
        var count = 0
        // Of those that are gathered by fives, the last few wait for others that do not come.
        for try await isRight in group {
          #expect(isRight)
          count += 1
          if count >= 595 {
            for (text, reply) in gathered.withLock({ $0 }) { reply.answer(Text(text)) }
          }
        }
      }
      await Self.waitForNoCalls(server)
    }
  }

  /// With an error among them.
  @Test func answersGivenTogetherReachEachItsCall() async throws {
    let held = Mutex<[(String, Reply)]>([])
    let isFull = Signal()
    let count = 40
    let method = RPCMethod.pendingUnary("/t.S/Ask") { (request: Text, _, reply: Reply) in
      let waiting = held.withLock { held in
        held.append((request.value, reply))
        return held.count
      }
      if waiting == count { isFull.give() }
    }
    try await withServer([method]) { client, server in
      let calls = (0..<count).map { number in
        Task { try await client.unary("/t.S/Ask", Text("\(number)"), returning: Text.self) }
      }
      await isFull.wait()
      let replies = held.withLock { held in
        defer { held = [] }
        return held
      }
      AnswersTogether.give {
        for (text, reply) in replies {
          switch text {
          case "7": reply.fail(RPCError(.aborted, "seven"))
          default: reply.answer { Text(text) }
          }
        }
        #expect(server.statistics.callsInFlight == count)
      }
      for (number, call) in calls.enumerated() where number != 7 {
        let reply = try await call.value
        #expect(reply.value == "\(number)")
      }
      let error = await #expect(throws: RPCClientError.self) { try await calls[7].value }
      #expect(error?.code == .aborted)
    }
  }

  @Test(arguments: [false, true])
  func whatComesAfterTheFirstAnswerIsIgnored(isLater: Bool) async throws {
    let method = RPCMethod.pendingUnary("/t.S/Ask") { (_: Text, _, reply: Reply) in
      let answers: @Sendable () -> Void = {
        reply.whenCancelled { Issue.record("it was answered") }
        reply.answer { Text("first") }
        reply.answer(Text("second"))
        reply.answer { Text("third") }
        reply.fail(RPCError(.internal, "fourth"))
        reply.whenCancelled { Issue.record("it was answered") }
      }
      if isLater { Task.detached { answers() } } else { answers() }
      if !isLater { throw RPCError(.internal, "fifth") }
    }
    let codes = Mutex<[RPCCode]>([])
    try await withServer([method]) { configuration in
      configuration.observer = { report in codes.withLock { $0.append(report.code) } }
    } _: { client, server in
      for _ in 0..<3 {
        let reply: Text = try await client.unary("/t.S/Ask", Text())
        #expect(reply.value == "first")
      }
      await Self.waitForNoCalls(server)
    }
    #expect(codes.withLock { $0 } == [.ok, .ok, .ok])
  }

  @Test(arguments: [false, true])
  func anErrorIsAnsweredAsATaskWouldBe(isLater: Bool) async throws {
    struct Secret: Error { let patient = "Jane" }
    let method = RPCMethod.pendingUnary("/t.S/Ask") { (request: Text, _, reply: Reply) in
      let error: any Error =
        request.value == "known" ? RPCError(.failedPrecondition, "not now") : Secret()
      guard isLater else { throw error }
      Task.detached {
        request.value == "known" ? reply.fail(error) : reply.answer { throw error }
      }
    }
    try await withServer([method]) { client, _ in
      for (text, code, message) in [
        ("known", RPCCode.failedPrecondition, "not now"),
        ("secret", .unknown, "the service failed; the cause is in its log"),
      ] {
        let error = await #expect(throws: RPCClientError.self) {
          _ = try await client.unary("/t.S/Ask", Text(text), returning: Text.self)
        }
        #expect(error?.code == code)
        #expect(error?.message == message)
      }
    }
  }

  @Test func aReplyThatIsLetGoIsAnErrorAndNoHandler() async throws {
    let method = RPCMethod.pendingUnary("/t.S/Ask") { (request: Text, _, reply: Reply) in
      if request.value == "later" { Task.detached { _ = reply } }
    }
    try await withServer([method]) { client, server in
      for text in ["now", "later"] {
        let error = await #expect(throws: RPCClientError.self) {
          _ = try await client.unary("/t.S/Ask", Text(text), returning: Text.self)
        }
        #expect(error?.code == .internal)
      }
      await Self.waitForNoCalls(server)
    }
  }

  @Test func anAnswerAboveTheLimitIsRefused() async throws {
    let method = RPCMethod.pendingUnary("/t.S/Ask") { (request: Text, _, reply: Reply) in
      let large = Text(String(repeating: "x", count: 2_000))
      if request.value == "made" { reply.answer { large } } else { reply.answer(large) }
    }
    try await withServer([method]) {
      $0.limits.messageBytes = 1_000
    } _: { client, _ in
      for text in ["made", "given"] {
        let error = await #expect(throws: RPCClientError.self) {
          _ = try await client.unary("/t.S/Ask", Text(text), returning: Text.self)
        }
        #expect(error?.code == .resourceExhausted)
      }
    }
  }

  // MARK: Ends without an answer

  @Test func aDeadlineTellsTheHandlerWhoseAnswerComesTooLate() async throws {
    let (owed, cancelled) = (Owed(), Signal())
    let codes = Mutex<[RPCCode]>([])
    try await withServer([Self.stuck(owed, cancelled)]) { configuration in
      configuration.observer = { report in codes.withLock { $0.append(report.code) } }
    } _: { client, server in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary(
          "/t.S/Stuck", Text(), timeout: .milliseconds(100), returning: Text.self)
      }
      #expect(error?.code == .deadlineExceeded)
      await cancelled.wait()
      #expect(server.statistics.callsInFlight == 1)
      await owed.next()?.answer {
        Issue.record("nobody reads it")
        return Text()
      }
      await Self.waitForNoCalls(server)
      #expect(codes.withLock { $0.count } == 1)
    }
  }

  @Test(arguments: [false, true])
  func aCallerWhoLeavesCancelsTheHandler(withItsConnection: Bool) async throws {
    let (owed, cancelled) = (Owed(), Signal())
    try await withServer([Self.stuck(owed, cancelled)]) { client, server in
      let call = Task { try await Self.ask(client) }
      let reply = await owed.next()
      if withItsConnection { await client.close() } else { call.cancel() }
      await cancelled.wait()
      _ = await call.result
      // Known to have ended, so it is told at once.
      let again = Signal()
      reply?.whenCancelled { again.give() }
      await again.wait()
      #expect(server.statistics.callsInFlight == 1)
      reply?.answer(Text())
      reply?.whenCancelled { Issue.record("it was answered") }
      await Self.waitForNoCalls(server)
    }
  }

  @Test func aCancelledHandlerMayLetItsReplyGo() async throws {
    let held = Mutex<Reply?>(nil)
    let method = RPCMethod.pendingUnary("/t.S/Stuck") { (_: Text, _, reply: Reply) in
      held.withLock { $0 = reply }
      reply.whenCancelled { held.withLock { $0 = nil } }
    }
    try await withServer([method]) { client, server in
      await #expect(throws: RPCClientError.self) {
        _ = try await client.unary(
          "/t.S/Stuck", Text(), timeout: .milliseconds(50), returning: Text.self)
      }
      await Self.waitForNoCalls(server)
    }
  }

  @Test func handlersCountUntilTheyAnswer() async throws {
    let owed = Owed()
    try await withServer([Self.stuck(owed)]) {
      $0.limits.runningHandlersPerConnection = 2
    } _: { client, server in
      let first = Task { try await Self.ask(client) }
      let reply = await owed.next()
      let second = Task { try await Self.ask(client) }
      let other = await owed.next()
      second.cancel()
      _ = await second.result
      let error = await #expect(throws: RPCClientError.self) { try await Self.ask(client) }
      #expect(error?.code == .unavailable)
      #expect(error?.detail(Google_Rpc_RetryInfo.self)?.retryDelay.seconds == 1)
      other?.fail(CancellationError())
      while server.statistics.callsInFlight > 1 { await Task.yield() }
      let third = Task { try await Self.ask(client) }
      await owed.next()?.answer(Text("third"))
      reply?.answer(Text("first"))
      let texts = (try await first.value, try await third.value)
      #expect(texts == ("first", "third"))
      await Self.waitForNoCalls(server)
    }
  }

  // MARK: Who calls

  private final class Asked: Sendable {
    enum Way: Equatable { case atOnce, waiting }
    private let held = Mutex<[Way]>([])
    var ways: [Way] { held.withLock { $0 } }
    func note(_ way: Way) { held.withLock { $0.append(way) } }
  }

  /// Tokens: `known` at once, `slow` by waiting, anything else by nobody.
  private func judged(_ asked: Asked, isPrompt: Bool = true)
    -> (inout RPCServerConfiguration) -> Void
  {
    { configuration in
      configuration.interceptor = { (_, context) async throws(RPCError) in
        asked.note(.waiting)
        await Task.yield()
        let token = context.metadata["authorization"] ?? ""
        guard ["known", "slow"].contains(token) else { throw RPCError(.unauthenticated, "who?") }
        context.principal = token
      }
      guard isPrompt else { return }
      configuration.promptInterceptor = { (_, context, _) throws(RPCError) in
        asked.note(.atOnce)
        switch context.metadata["authorization"] {
        case "known":
          context.principal = "known"
          return .admitted
        case "slow": return .mustWait
        default: throw RPCError(.unauthenticated, "who?")
        }
      }
    }
  }

  private static let whoAmI = RPCMethod.pendingUnary("/t.S/Who") {
    (_: Text, context, reply: Reply) in
    reply.answer(Text(context.principal as? String ?? "nobody"))
  }

  private func who(_ client: RPCClient, _ token: String, _ text: some Message & Sendable)
    async throws -> String
  {
    var metadata = Metadata()
    metadata.add("authorization", token)
    return try await client.unary(
      "/t.S/Who", text, metadata: metadata, returning: Text.self
    ).value
  }

  @Test func aCallerIsJudgedAtOnceWhereThatCanBe() async throws {
    let asked = Asked()
    try await withServer([Self.whoAmI], judged(asked)) { client, server in
      let known = try await who(client, "known", Text())
      #expect(known == "known")
      #expect(asked.ways == [.atOnce])
      let slow = try await who(client, "slow", Text())
      #expect(slow == "slow")
      #expect(asked.ways == [.atOnce, .atOnce, .waiting])
      // Bytes that are no Text: the refusal must come first.
      let error = await #expect(throws: RPCClientError.self) {
        try await who(client, "unknown", Google_Protobuf_Int64Value(1))
      }
      #expect(error?.code == .unauthenticated)
      #expect(asked.ways == [.atOnce, .atOnce, .waiting, .atOnce])
      await Self.waitForNoCalls(server)
    }
  }

  /// Kept by an interceptor for itself.
  private final class Kept: Sendable {
    let token: String
    init(_ token: String) { self.token = token }
  }

  @Test func whatAnInterceptorKeepsIsGivenBackForTheSameHeadAlone() async throws {
    let given = Mutex<[String]>([])
    try await withServer([Self.whoAmI]) { configuration in
      configuration.interceptor = { (_, _) async throws(RPCError) in }
      configuration.promptInterceptor = { (_, context, memory) throws(RPCError) in
        let token = context.metadata["authorization"] ?? ""
        let kept = (memory as? Kept)?.token
        given.withLock { $0.append(kept ?? "new") }
        guard token != "none" else { throw RPCError(.unauthenticated, "who?") }
        context.principal = token
        memory = Kept(token)
        return .admitted
      }
    } _: { client, server in
      for token in ["a", "a", "b", "b", "b", "a"] {
        let told = try await who(client, token, Text())
        #expect(told == token)
      }
      #expect(given.withLock { $0 } == ["new", "a", "new", "b", "b", "new"])
      for _ in 0..<2 {
        await #expect(throws: RPCClientError.self) { try await who(client, "none", Text()) }
      }
      #expect(given.withLock { $0 }.suffix(2) == ["new", "new"])
      await Self.waitForNoCalls(server)
    }
  }

  // MARK: Handlers of bytes

  /// Takes texts that end in a mark.
  private static let marked = RPCMethod.pendingUnary(
    "/t.S/Marked",
    ofBytes: { (bytes: [UInt8], _: CallContext, reply: Reply) in
      switch bytes.last {
      case UInt8(ascii: "!"): reply.answerBytes { bytes }
      case UInt8(ascii: "?"): throw RPCError(.aborted, "asked")
      case UInt8(ascii: "+"):
        reply.answerBytes { [UInt8](repeating: 0, count: 5_000) }
      case UInt8(ascii: "-"): reply.answerBytes { throw RPCError(.aborted, "made") }
      default: return false
      }
      return true
    }
  ) { (request: Text, _: CallContext, reply: Reply) in
    reply.answer(Text("long " + request.value))
  }

  @Test func bytesAreGivenFirstToWhoReadsThem() async throws {
    try await withServer([Self.marked]) { configuration in
      configuration.limits.messageBytes = 4_096
    } _: { client, server in
      func ask(_ text: String) async throws -> String {
        try await client.unary("/t.S/Marked", Text(text), returning: Text.self).value
      }
      for (text, answer) in [("a!", "a!"), ("a", "long a"), ("", "long "), ("b!", "b!")] {
        let told = try await ask(text)
        #expect(told == answer)
      }
      for (text, code) in [("?", RPCCode.aborted), ("+", .resourceExhausted), ("-", .aborted)] {
        let error = await #expect(throws: RPCClientError.self) { try await ask(text) }
        #expect(error?.code == code)
      }
      // What cannot be read is refused by the other handler's decoding.
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary(
          "/t.S/Marked", Google_Protobuf_BytesValue(Data([0xFF])), returning: Text.self)
      }
      #expect(error?.code == .internal)
      await Self.waitForNoCalls(server)
    }
  }

  @Test func withoutAPromptInterceptorTheOtherIsAsked() async throws {
    let asked = Asked()
    try await withServer([Self.whoAmI], judged(asked, isPrompt: false)) { client, server in
      let known = try await who(client, "known", Text())
      #expect(known == "known")
      let error = await #expect(throws: RPCClientError.self) {
        try await who(client, "unknown", Google_Protobuf_Int64Value(1))
      }
      #expect(error?.code == .unauthenticated)
      #expect(asked.ways == [.waiting, .waiting])
      await Self.waitForNoCalls(server)
    }
  }

  /// It is cancelled with its call before its handler could begin, which then does not.
  @Test func anInterceptorThatWaitsTooLongLeavesNoHandlerBehind() async throws {
    let gate = Signal()
    let method = RPCMethod.pendingUnary("/t.S/Who") { (_: Text, _, reply: Reply) in
      Issue.record("its caller has gone")
      reply.answer(Text())
    }
    try await withServer([method]) { configuration in
      configuration.interceptor = { (_, _) async throws(RPCError) in await gate.wait() }
    } _: { client, server in
      let error = await #expect(throws: RPCClientError.self) {
        _ = try await client.unary(
          "/t.S/Who", Text(), timeout: .milliseconds(50), returning: Text.self)
      }
      #expect(error?.code == .deadlineExceeded)
      #expect(server.statistics.callsInFlight == 1)
      gate.give()
      await Self.waitForNoCalls(server)
    }
  }
}
