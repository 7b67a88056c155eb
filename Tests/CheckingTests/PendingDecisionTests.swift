import ConsentCore
import ConsentStore
import Testing

@testable import Checking

/// Questions without a task that waits for them.
@Suite(.fewAtOnce) struct PendingDecisionTests {
  private typealias Answer = Result<[LoggedDecision], any Error>

  /// Asks; every answer goes into the stream.
  private func ask(
    _ node: Node, _ image: ImageKey
  ) -> (pending: PendingDecision, answers: AsyncStream<Answer>.AsyncIterator) {
    let (stream, continuation) = AsyncStream.makeStream(of: Answer.self)
    let pending = node.checker.decide(node.clinic.organization, images: [image]) { reader in
      [try entry(image, in: reader)]
    } answer: {
      continuation.yield($0)
    }
    return (pending, stream.makeAsyncIterator())
  }

  private func open(
    _ options: Checker.Options = Checker.Options()
  ) async throws -> (node: Node, image: ImageKey) {
    let clinic = try await Clinic(.memory)
    let image = try await clinic.image(0, of: try await clinic.patient())
    return (clinic.node(options: options), image)
  }

  @Test func itsAnswerIsInTheLogBeforeItIsGiven() async throws {
    let (node, image) = try await open()
    var (pending, answers) = ask(node, image)
    let logged = try #require(try await answers.next()?.get().first)
    let kept = try await node.clinic.bench.read { try $0.decision(logged.id) }
    #expect(kept == logged)
    pending.cancel()
  }

  @Test func aCancelledOneIsAnsweredAtOnceAndItsBatchGoesOn() async throws {
    let (node, image) = try await open()
    let (reached, gate) = (Latch(), Latch())
    node.store.hooks.beforeAppend = { _, _ in
      await reached.open()
      await gate.wait()
    }
    let appends = node.store.counts.appends
    var (pending, answers) = ask(node, image)
    var (_, neighbours) = ask(node, image)
    await reached.wait()
    pending.cancel()
    pending.cancel()
    let first = await answers.next()
    #expect(throws: CancellationError.self) { try first?.get() }
    await gate.open()
    #expect(try await neighbours.next()?.get().count == 1)
    #expect(node.store.counts.appends > appends)
  }

  @Test func aRefusalIsAnAnswerToo() async throws {
    let (node, image) = try await open(Checker.Options(queueLimit: 0))
    var (_, answers) = ask(node, image)
    let answer = await answers.next()
    #expect(throws: StoreError.overloaded) { try answer?.get() }
  }
}
