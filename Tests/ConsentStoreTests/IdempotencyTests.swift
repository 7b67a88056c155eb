import ConsentCore
import ConsentStore
import Testing

@Suite(.fewAtOnce) struct IdempotencyTests {
  private func key(_ text: String, content: UInt8 = 1) -> IdempotencyKey {
    IdempotencyKey(
      caller: "ehr", key: text, contentSHA256: [UInt8](repeating: content, count: 32))
  }

  @Test(arguments: Backend.allCases)
  func theSameKeyAndContentGiveTheFirstReply(backend: Backend) async throws {
    let bench = try await backend.open()
    let first = try await bench.write(key: key("k")) { writer in
      try writer.append(Build.patient(random()))
      return [1, 2, 3]
    }
    try await bench.append(Build.patient(random()))
    let second = try await bench.write(key: key("k")) { _ in
      Issue.record("the body ran twice")
      return []
    }
    #expect(!first.replayed)
    #expect(second.replayed)
    #expect(second.reply == [1, 2, 3])
    #expect(second.head == first.head)
  }

  @Test(arguments: Backend.allCases)
  func theSameKeyWithOtherContentIsRefused(backend: Backend) async throws {
    let bench = try await backend.open()
    try await bench.write(key: key("k")) { _ in [1] }
    await #expect(throws: StoreError.idempotencyConflict) {
      try await bench.write(key: key("k", content: 2)) { _ in [2] }
    }
  }

  @Test(arguments: Backend.allCases)
  func aFailedWriteLeavesItsKeyFree(backend: Backend) async throws {
    struct Refused: Error {}
    let bench = try await backend.open()
    await #expect(throws: Refused.self) {
      try await bench.write(key: key("k")) { _ in throw Refused() }
    }
    let receipt = try await bench.write(key: key("k", content: 9)) { _ in [9] }
    #expect(!receipt.replayed)
  }

  @Test(arguments: Backend.allCases)
  func racingRetriesActOnce(backend: Backend) async throws {
    let bench = try await backend.open()
    let subject = "raced"
    let replies = try await withThrowingTaskGroup(of: WriteReceipt.self) { group in
      for _ in 0..<12 {
        group.addTask {
          try await bench.write(key: key("race")) { writer in
            try writer.append(Change(events: [Build.event(.documentStored, subject)]))
              .flatMap { bytes(of: $0) }
          }
        }
      }
      return try await group.reduce(into: [WriteReceipt]()) { $0.append($1) }
    }
    #expect(replies.count { !$0.replayed } == 1)
    #expect(replies.allSatisfy { $0.reply.chunks() == [1] })
    #expect(try await bench.read { $0.head.position } == 1)
  }
}
