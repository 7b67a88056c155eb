import ConsentCore
import ConsentStore
import ProofLog
import Testing

@testable import ConsentStore

/// Activity logs name the others, so that one that is dropped, cut or replaced shows in an export.
@Suite(.fewAtOnce) struct ActivityExportTests {
  /// An organization with a decision log of two batches, which an activity log names.
  struct Exported {
    var organization: OrganizationID
    var decisions: ID<DecisionLog>
    var activity: ID<DecisionLog>
    /// How large the decision log was when it was named.
    var named: UInt64
  }

  static func export(_ broken: BrokenActivity? = nil) async throws -> Exported {
    let (store, organization) = try await ActivityLogTests.store(broken: broken)
    var decisions: [LoggedDecision] = []
    for _ in 0..<2 { decisions += try await ActivityLogTests.decide(store, organization) }
    let logged = try await store.log([ActivityLogTests.access(random())], of: organization)
    // The log goes on after it was named.
    _ = try await ActivityLogTests.decide(store, organization)
    await store.close()
    return Exported(
      organization: organization, decisions: decisions[0].id.log, activity: logged[0].id.log,
      named: 2)
  }

  /// An export made of what `change` leaves of the logs.
  static func file(
    _ exported: Exported, _ change: @Sendable @escaping (any LogReader) -> any LogReader = { $0 }
  ) async throws -> [UInt8] {
    let database = try await TestDatabase.shared.value
    let store = try await database.store(clock: ManualClock())
    let file = try await store.read(exported.organization) { reader in
      var file: [UInt8] = []
      try LogExport.write(.all, of: exported.organization, from: change(reader)) { file += $0 }
      return file
    }
    await store.close()
    return file
  }

  @Test func anExportWithActivityIsVerified() async throws {
    let exported = try await Self.export()
    let file = try await Self.file(exported)
    let logs = try LogVerifierTests.verify(file, piece: 50)
    #expect(Set(logs.map(\.size)) == [2, 3])
    // What is announced in front is not believed, and what is not announced is not passed over.
    let header = 22 + 21
    let announced = Array(file[..<22]) + Array(file[(header + 24)...])
    #expect(try LogVerifierTests.fault(announced)?.kind == .malformed)
    var another = file
    another[header + 8] ^= 1
    #expect(try LogVerifierTests.fault(another)?.kind == .malformed)
  }

  @Test func aLogThatIsDroppedFromAnExportIsFound() async throws {
    let exported = try await Self.export()
    let file = try await Self.file(exported) { Hiding(base: $0, hidden: exported.decisions) }
    let fault = try LogVerifierTests.fault(file)
    #expect(fault?.kind == .dropped && fault?.end == exported.named)
    #expect(fault?.origin?.hasSuffix("\(exported.decisions)") == true)
    // Also where nothing is announced any more.
    let header = 22 + 21 + 24
    #expect(
      try LogVerifierTests.fault(Array(file[..<22]) + Array(file[header...]))?.kind == .dropped)
    var rest = file[...]
    let part = try LogVerifier(keys: [], isOfPart: true).verify({
      defer { rest = [] }
      return Array(rest)
    })
    #expect(part.map(\.size) == [2])
  }

  @Test func aDroppedLogIsNotFoundWhereNoneIsNamed() async throws {
    let exported = try await Self.export(.namesNoLogs)
    let file = try await Self.file(exported) { Hiding(base: $0, hidden: exported.decisions) }
    #expect(try LogVerifierTests.fault(file) == nil)
  }

  @Test func aLogThatIsCutOrToldAnewIsFound() async throws {
    let exported = try await Self.export()
    var file = try await Self.file(exported) {
      Retold(base: $0, log: exported.decisions, leaves: 1, changes: false)
    }
    var fault = try LogVerifierTests.fault(file)
    #expect(fault?.kind == .cut && fault?.end == exported.named)
    file = try await Self.file(exported) {
      Retold(base: $0, log: exported.decisions, leaves: 3, changes: true)
    }
    fault = try LogVerifierTests.fault(file)
    #expect(fault?.kind == .replaced && fault?.end == exported.named)
    #expect(fault?.origin?.hasSuffix("\(exported.decisions)") == true)
    // What was told anew after the log was named shows against receipts only.
    file = try await Self.file(exported) {
      Retold(base: $0, log: exported.decisions, leaves: 2, changes: false)
    }
    #expect(try LogVerifierTests.fault(file) == nil)
  }

  @Test func anAccessThatIsChangedInTheDatabaseIsFound() async throws {
    let exported = try await Self.export()
    let database = try await TestDatabase.shared.value
    // The last byte of the last record: of the instant.
    try database.run(
      """
      UPDATE proof_log_batch SET records = set_byte(records, octet_length(records) - 1,
        get_byte(records, octet_length(records) - 1) # 1)
      WHERE log_id = '\(exported.activity)' AND count > 0
      """)
    let fault = try LogVerifierTests.fault(try await Self.file(exported))
    #expect(fault?.kind == .root && fault?.decision?.log == exported.activity)
  }
}

/// Logs without one of them.
private struct Hiding: LogReader {
  var base: any LogReader
  var hidden: ID<DecisionLog>

  func logs(_ selection: LogSelection) throws -> [LogSummary] {
    try base.logs(selection).filter { $0.id != hidden }
  }

  func logRecord(_ id: DecisionID) throws -> [UInt8]? { try base.logRecord(id) }

  func batches(
    of log: ID<DecisionLog>, _ range: Range<UInt64>, _ body: (LogBatch) throws -> Void
  ) throws { try base.batches(of: log, range, body) }
}

/// Logs of which one has so many leaves, of which the first may be another: as whoever holds the
/// database, and the key if there is one, can tell it.
private struct Retold: LogReader {
  var base: any LogReader
  var log: ID<DecisionLog>
  var leaves: UInt64
  var changes: Bool

  func logs(_ selection: LogSelection) throws -> [LogSummary] {
    try base.logs(selection).map { summary in
      guard summary.id == log else { return summary }
      var summary = summary
      var tree = MerkleTree()
      try batches(of: log, 0..<leaves) { tree = MerkleTree(adding: $0.records, to: tree) }
      (summary.size, summary.root) = (leaves, tree.root)
      return summary
    }
  }

  func logRecord(_ id: DecisionID) throws -> [UInt8]? { try base.logRecord(id) }

  func batches(
    of log: ID<DecisionLog>, _ range: Range<UInt64>, _ body: (LogBatch) throws -> Void
  ) throws {
    guard log == self.log else { return try base.batches(of: log, range, body) }
    var tree = MerkleTree()
    for leaf in 0..<leaves {
      guard var bytes = try base.logRecord(DecisionID(log: log, leaf: leaf)) else { continue }
      // Behind the header, which tells its place.
      if changes, leaf == 0 { bytes[bytes.endIndex - 1] ^= 1 }
      tree.append(.leaf(bytes))
      if range.contains(leaf) {
        try body(LogBatch(firstLeaf: leaf, root: tree.root, records: [bytes[...]]))
      }
    }
  }
}

extension MerkleTree {
  fileprivate init(adding records: [ArraySlice<UInt8>], to tree: MerkleTree) {
    self = tree
    for record in records { append(.leaf(record)) }
  }
}
