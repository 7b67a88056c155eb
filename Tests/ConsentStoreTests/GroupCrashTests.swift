import ConsentCore
import EmbeddedPostgres
import Postgres
import Synchronization
import Testing

@testable import ConsentStore

/// Whatever becomes of the transaction of a group, each change is there once or not at all, as its
/// caller was told. Each test has a cluster of its own, because it harms it.
@Suite(.serialized, .fewAtOnce, .timeLimit(.minutes(4))) struct GroupCrashTests {
  struct Refused: Error {}

  private func harmed(_ name: String) async throws -> TestDatabase {
    try await TestDatabase.make(in: try await TemporaryPostgres.start(), name: name)
  }

  /// New, keyed, the same key again, refused, new.
  private func mixed(_ runs: Gathered<Int>) -> [Together.Write] {
    let key = IdempotencyKey(
      caller: "ehr", key: "k", contentSHA256: [UInt8](repeating: 1, count: 32))
    let tells = (0..<3).map { number in
      let body = Together.Write.tell().body
      return { @Sendable (writer: any FactWriter) throws -> [UInt8] in
        runs.add([number])
        return try body(writer)
      }
    }
    return [
      Together.Write(tells[0]), Together.Write(key: key, tells[1]),
      // A replay does not run.
      Together.Write(key: key) { _ in
        runs.add([99])
        return []
      },
      Together.Write { _ in throw Refused() }, Together.Write(tells[2]),
    ]
  }

  private func problems(
    _ outcomes: [Together.Outcome], _ bench: Together
  ) async throws -> [String] {
    var problems: [String] = []
    let positions = outcomes.map(\.positions)
    if positions != [[1], [2], [2], nil, [3]] { problems.append("told \(positions)") }
    let replayed = outcomes.map { $0.receipt?.replayed }
    if replayed != [false, false, true, nil, false] { problems.append("replayed \(replayed)") }
    if !(outcomes[3].error is Refused) { problems.append("refused otherwise") }
    let rows = try await bench.rows()
    if rows.map(\.position) != [1, 2, 3] { problems.append("the feed has \(rows.count) rows") }
    return problems
  }

  @Test func aGroupWhoseCommitWasNotAnsweredIsMadeOnce() async throws {
    let database = try await harmed("lost_group")
    let bench = try await Together.open(database)
    try database.requireStandby()
    let runs = Gathered<Int>()
    async let outcomes = bench.write(mixed(runs))
    try await database.endBackendWaitingForStandby()
    #expect(try await problems(outcomes, bench) == [])
    #expect(runs.all == [0, 1, 2])
    await bench.store.close()
    try await database.cluster.remove()
  }

  /// PostgreSQL has committed here and warns that the standby may not have it.
  @Test func aWarningOnCommitIsNoOutcome() async throws {
    let database = try await harmed("warned_group")
    let bench = try await Together.open(database)
    try database.requireStandby()
    let runs = Gathered<Int>()
    let told = Gathered<Together.Outcome>()
    let writing = Task {
      let outcomes = try await bench.write(mixed(runs))
      told.add(outcomes)
    }
    try await database.endBackendWaitingForStandby(
      by: "pg_cancel_backend", thenWaitForNoStandby: false)
    // The next to wait is the transaction that resolves the first: nothing has been told yet.
    try await database.endBackendWaitingForStandby(
      by: "pg_cancel_backend", thenWaitForNoStandby: false)
    #expect(told.all.isEmpty)
    try database.requireNoStandby()
    try await writing.value
    #expect(try await problems(told.all, bench) == [])
    #expect(runs.all == [0, 1, 2])
    await bench.store.close()
    try await database.cluster.remove()
  }

  private func throughProxy(
    _ name: String, cuts: Int, broken: BrokenWrites? = nil
  ) async throws -> [String] {
    let database = try await harmed(name)
    let proxy = try CuttingProxy(to: database.cluster.directory + "/run/.s.PGSQL.5432")
    let bench = try await Together.open(
      database, through: proxy.configuration(database.server)
    ) { $0.brokenWrites = broken }
    let runs = Gathered<Int>()
    let outcomes = try await bench.write(mixed(runs)) { proxy.cutNextCommits(cuts) }
    #expect(proxy.cuts == cuts || broken != nil)
    var problems = try await problems(outcomes, bench)
    if runs.all != [0, 1, 2] { problems.append("bodies ran: \(runs.all)") }
    await bench.store.close()
    proxy.close()
    try await database.cluster.remove()
    return problems
  }

  @Test(arguments: [1, 2, 5]) func answersOfCommitThatAProxyKeptAreFound(cuts: Int) async throws {
    #expect(try await throughProxy("cut_\(cuts)", cuts: cuts) == [])
  }

  @Test func aWriterThatDoesNotLookForItsReplyIsFound() async throws {
    #expect(try await throughProxy("not_looking", cuts: 1, broken: .repeatsWithoutLooking) != [])
  }

  private func undone(_ name: String, broken: BrokenWrites? = nil) async throws -> [String] {
    let database = try await harmed(name)
    let bench = try await Together.open(database) { $0.brokenWrites = broken }
    try database.endBackendAtReply(deferred: true, when: "attempt = 1")
    let outcomes = try await bench.write((0..<4).map { _ in .tell() })
    var problems: [String] = []
    if outcomes.map(\.positions) != [[1], [2], [3], [4]] { problems.append("told otherwise") }
    let rows = try await bench.rows()
    if rows.count != 4 { problems.append("the feed has \(rows.count) rows") }
    await bench.store.close()
    try await database.cluster.remove()
    return problems
  }

  @Test func aGroupThatWasUndoneAtCommitIsMadeAgain() async throws {
    #expect(try await undone("undone_group") == [])
  }

  @Test func aWriterThatAnswersBeforeCommitIsFound() async throws {
    #expect(try await undone("early_group", broken: .answersBeforeCommit) != [])
  }

  /// A change that ends every session it is in: its neighbours wait for it, and stand.
  @Test(arguments: [false, true])
  func aChangeThatAlwaysEndsTheSessionIsAlone(atCommit: Bool) async throws {
    let database = try await harmed("poison_\(atCommit)")
    let bench = try await Together.open(database) { $0.resolutionTimeout = .milliseconds(500) }
    try database.endBackendAtReply(deferred: atCommit, when: "NEW.key = 'poison'")
    let poison = IdempotencyKey(caller: "ehr", key: "poison", contentSHA256: [])
    let outcomes = try await bench.write([
      .tell(), .tell(), Together.Write(key: poison, Together.Write.tell().body), .tell(),
    ])
    #expect(outcomes.map(\.positions) == [[1], [2], nil, [3]])
    guard case .unavailable? = outcomes[2].error as? StoreError else {
      Issue.record("the poison was told \(String(describing: outcomes[2].error))")
      return
    }
    #expect(try await bench.rows().count == 3)
    await bench.store.close()
    try await database.cluster.remove()
  }

  /// A database that is gone answers all who wait, soon and alike.
  @Test func aDatabaseThatIsGoneIsToldToAllWhoWait() async throws {
    let database = try await harmed("gone_group")
    let proxy = try CuttingProxy(to: database.cluster.directory + "/run/.s.PGSQL.5432")
    let bench = try await Together.open(database, through: proxy.configuration(database.server))
    let outcomes = try await bench.write((0..<80).map { _ in .tell() }) { proxy.close() }
    for outcome in outcomes {
      guard case .unavailable? = outcome.error as? StoreError else {
        Issue.record("told \(outcome)")
        continue
      }
    }
    await bench.store.close()
    try await database.cluster.remove()
  }
}
