import ConsentCore
import ConsentStore
import Testing

@testable import Checking

/// What arrives while a batch is on its way to the log is decided on meanwhile.
@Suite(.fewAtOnce) struct AheadTests {
  /// Two permitted images and a node that has both at hand.
  private struct Scene {
    var clinic: Clinic
    var clock = ManualClock()
    var node: Node
    var first: ImageKey
    var second: ImageKey
    var paper: Instrument
    /// The append of the first question waits here.
    let gate = Latch()

    init(_ backend: Backend, options: Checker.Options = Checker.Options()) async throws {
      clinic = try await Clinic(backend, clock: clock)
      let patients = [try await clinic.patient(), try await clinic.patient()]
      first = try await clinic.image(0, of: patients[0])
      second = try await clinic.image(1, of: patients[1])
      _ = try await clinic.paper(of: patients[0])
      paper = try await clinic.paper(of: patients[1])
      node = clinic.node(options: options)
      for image in [first, second] { _ = try await node.ask(image) }
    }

    /// Asks about the second image while the first one's answer is on its way, and does `meanwhile`
    /// once it has been decided on.
    func ask(
      meanwhile: @Sendable @escaping () async throws -> Void
    ) async throws -> LoggedDecision {
      let (once, sent, decided) = (Once(), Latch(), Latch())
      node.store.hooks.beforeAppend = { [gate] _, _ in
        guard once.take() else { return }
        await sent.open()
        await gate.wait()
      }
      async let before = node.ask(first)
      await sent.wait()
      async let answer = node.ask(second) { Task { await decided.open() } }
      await decided.wait()
      try await meanwhile()
      await gate.open()
      #expect(try await before.effect == .permit)
      return try await answer
    }
  }

  @Test(.timeLimit(.minutes(10)), arguments: Backend.allCases)
  func whatIsDecidedAheadNeedsNoMoreAppends(backend: Backend) async throws {
    let scene = try await Scene(backend)
    let appends = scene.node.store.counts.appends
    let answer = try await scene.ask {}
    #expect(answer.effect == .permit)
    #expect(scene.node.store.counts.appends == appends + 2)
  }

  @Test(.timeLimit(.minutes(10)), arguments: Backend.allCases)
  func aRevocationAfterItWasDecidedAheadCounts(backend: Backend) async throws {
    let scene = try await Scene(backend)
    let answer = try await scene.ask { try await scene.clinic.revoke(scene.paper) }
    #expect(answer.effect == .deny)
    #expect(answer.head == (try await scene.clinic.head()))
    #expect(try await scene.clinic.again(answer) == answer.entry.decision)
  }

  /// The limit is what keeps the clock's say: without one the older instant stands.
  @Test(.timeLimit(.minutes(10)), arguments: [true, false])
  func whatWaitedTooLongIsDecidedAnew(isLimited: Bool) async throws {
    let scene = try await Scene(
      .memory, options: Checker.Options(aheadLimit: isLimited ? .zero : .seconds(3_600)))
    let before = scene.clock.now()
    let answer = try await scene.ask { scene.clock.move(hours: 1) }
    #expect(answer.entry.decision.at == (isLimited ? before.plus(hours: 1) : before))
  }
}
