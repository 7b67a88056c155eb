import RPCServer
import SwiftProtobuf
import Synchronization

/// Answers calls as a service does that waits once for many: what comes while it answers waits for
/// the next round.
final class EchoBatches: Sendable {
  private typealias Asked = (request: EchoRequest, reply: PendingReply<EchoResponse>)

  private struct State {
    var asked: [Asked] = []
    var isAnswering = false
  }
  private let state = Mutex(State())

  func add(_ request: EchoRequest, _ reply: PendingReply<EchoResponse>) {
    let begins = state.withLock { state in
      state.asked.append((request, reply))
      defer { state.isAnswering = true }
      return !state.isAnswering
    }
    if begins { Task { answerAll() } }
  }

  private func answerAll() {
    while true {
      let batch = state.withLock { state in
        defer {
          state.isAnswering = !state.asked.isEmpty
          state.asked = []
        }
        return state.asked
      }
      if batch.isEmpty { return }
      for (request, reply) in batch {
        reply.answer { EchoResponse.with { $0.text = request.text } }
      }
    }
  }
}
