import ConsentCore
import ConsentStore
import EmbeddedPostgres
import ProofLog
import Testing

@testable import ConsentStore

/// The receipt of decisions that a change logs, as an emergency override does: signed like any
/// other, though its log is of its own and is written in the change's transaction.
@Suite(.fewAtOnce) struct OverrideReceiptTests {
  private static func override(_ told: Gathered<LoggedDecision>) -> Together.Write {
    Together.Write { writer in
      let logged = try writer.log([
        Build.decision(Build.key(1), at: writer.now, position: writer.head.position)
      ])
      told.add(logged)
      return try writer.append(
        Change(events: [Build.event(.emergencyOverrideUsed, logged[0].id.text)])
      ).bytes
    }
  }

  /// - Returns: whether an override whose COMMIT a proxy did not answer `cuts` times is answered
  ///   with the signature of what stands, which another node then reads.
  private func isSigned(cuts: Int, broken: BrokenWrites? = nil) async throws -> Bool {
    let signer = try LogSigner(keyFile: try #require(LogSigner.newKey(name: "node")))
    let database = try await TestDatabase.shared.value
    let proxy = try CuttingProxy(to: database.cluster.directory + "/run/.s.PGSQL.5432")
    defer { proxy.close() }
    let bench = try await Together.open(through: proxy.configuration(database.server)) {
      $0.logSigner = signer
      $0.brokenWrites = broken
    }
    let told = Gathered<LoggedDecision>()
    let outcomes = try await bench.write([Self.override(told), .tell()]) {
      proxy.cutNextCommits(cuts)
    }
    let receipt = try #require(outcomes[0].receipt)
    let answered = try #require(told.all.last.map { receipt.answerable([$0]) }?.first)
    await bench.store.close()

    let log = answered.id.log
    let other = try await database.store(clock: ManualClock())
    let (stored, summary) = try await other.read(bench.organization) { reader in
      (try reader.decision(answered.id), try reader.logs(.one(log)).first)
    }
    await other.close()
    #expect(stored?.entry == answered.entry && stored?.receipt?.root == answered.receipt?.root)
    guard let place = answered.receipt, !place.signature.isEmpty else { return false }
    let checkpoint = Checkpoint(
      organization: bench.organization, log: log, size: place.treeSize, root: place.root)
    let note = SignedNote(
      text: checkpoint.text,
      signatures: [
        .init(name: "node", keyHash: signer.verifierKey.keyHash, bytes: place.signature)
      ])
    let keys = try note.verify(signer.verifierKeys)
    return keys.count == 1 && stored?.receipt == place && summary?.signed?.size == 1
  }

  @Test func itIsSignedOnceItsChangeIsCommitted() async throws {
    #expect(try await isSigned(cuts: 0))
  }

  @Test(arguments: [1, 2, 5]) func whatIsFoundToStandIsSigned(cuts: Int) async throws {
    #expect(try await isSigned(cuts: cuts))
  }

  @Test func aWriterThatForgetsWhatItTriedIsFound() async throws {
    #expect(try await !isSigned(cuts: 1, broken: .forgetsTriedLog))
  }

  /// Nothing is signed that a change did not leave.
  @Test func aReceiptOfAnotherTreeIsLeftAlone() {
    let place = LogReceipt(treeSize: 1, root: .leaf([1]), epoch: 1)
    let other = LogReceipt(treeSize: 1, root: .leaf([2]), epoch: 1, signature: [9])
    let logged = LoggedDecision(
      id: DecisionID(log: random(), leaf: 0),
      entry: Build.decision(Build.key(1), at: ManualClock().now(), position: 0), head: .empty,
      receipt: place)
    let receipt = WriteReceipt(reply: [], head: .empty, replayed: false, log: other)
    #expect(receipt.answerable([logged]) == [logged])
  }
}
