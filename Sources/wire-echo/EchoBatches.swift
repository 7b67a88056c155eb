import RPCServer
import SwiftProtobuf
import Synchronization

/// Answers calls as a service does that waits for a database once for many: a round takes 200
/// microseconds, and what comes meanwhile waits for the next one.
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
    if begins { Task { await answerAll() } }
  }

  private func answerAll() async {
    while true {
      try? await Task.sleep(for: .microseconds(200))
      let batch = state.withLock { state in
        defer {
          state.isAnswering = !state.asked.isEmpty
          state.asked = []
        }
        return state.asked
      }
      if batch.isEmpty { return }
      AnswersTogether.give {
        for (request, reply) in batch {
          reply.answer { EchoResponse.with { $0.text = request.text } }
        }
      }
    }
  }
}
