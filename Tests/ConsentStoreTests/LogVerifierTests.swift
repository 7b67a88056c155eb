import ConsentCore
import ConsentStore
import ProofLog
import Testing

/// Tampering with a real export: every change is found and its place is named.
@Suite(.fewAtOnce) struct LogVerifierTests {
  /// One log of several batches, exported from PostgreSQL after each of them.
  struct Exported {
    var organization: OrganizationID
    var log: ID<DecisionLog>
    var file: [UInt8]
    /// The same log earlier, and a checkpoint of each state.
    var earlier: [[UInt8]]
    var checkpoints: [Checkpoint]
    /// After the node that wrote it has ended.
    var closed: [UInt8]
    var key: VerifierKey
    var frames: [Frame]
  }

  /// Where a frame and its records lie in the file.
  struct Frame {
    var kind: UInt8
    var range: Range<Int>
    var records: [Range<Int>]
  }

  static func export() async throws -> Exported {
    let signer = try LogSigner(keyFile: try #require(LogSigner.newKey(name: "node")))
    let database = try await TestDatabase.shared.value
    let clock = ManualClock()
    let store = try await PostgresConsentStore.open(
      database.server, clock: clock,
      options: PostgresConsentStore.Options(
        masterKeys: [TestDatabase.masterKey], logSigner: signer, readLanes: 1, writeLanes: 1,
        decisionLanes: 1))
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await store.createOrganization(settings)
    var logged: [LoggedDecision] = []
    var files: [[UInt8]] = []
    var checkpoints: [Checkpoint] = []
    for count in [1, 3, 2, 5, 1] {
      let new = try await store.decide(settings.id) { reader in
        (0..<count).map {
          Build.decision(Build.key($0), at: reader.now, position: 0, patient: random())
        }
      }
      logged += new
      let receipt = try #require(new[0].receipt)
      checkpoints.append(
        Checkpoint(
          organization: settings.id, log: new[0].id.log, size: receipt.treeSize, root: receipt.root)
      )
      var file: [UInt8] = []
      let told = try LogExport.write(.all, of: settings.id, database: database.server) {
        file += $0
      }
      #expect(told.logs == 1 && told.leaves == UInt64(logged.count))
      files.append(file)
    }
    await store.close()
    var closed: [UInt8] = []
    try LogExport.write(.all, of: settings.id, database: database.server) { closed += $0 }
    let file = files.removeLast()
    return Exported(
      organization: settings.id, log: logged[0].id.log, file: file, earlier: files,
      checkpoints: checkpoints, closed: closed, key: signer.verifierKey, frames: frames(of: file))
  }

  /// Reads the format anew, so that the tests do not lean on the code they test.
  static func frames(of file: [UInt8]) -> [Frame] {
    func number(_ at: Int, _ count: Int) -> Int {
      file[at..<at + count].reduce(0) { $0 << 8 | Int($1) }
    }
    var at = 22
    var frames: [Frame] = []
    while at < file.count {
      let start = at
      var records: [Range<Int>] = []
      switch file[at] {
      case UInt8(ascii: "L"):
        at += 9
        for _ in 0..<2 { at += 2 + number(at, 2) }
      case UInt8(ascii: "B"):
        let count = number(at + 9, 4)
        at += 49
        for _ in 0..<count {
          let length = 36 + number(at, 4)
          records.append(at..<at + length)
          at += length
        }
      case UInt8(ascii: "S"): at += 2 + number(at + 1, 1)
      case UInt8(ascii: "Z"): at += 41
      default: at += 5
      }
      frames.append(Frame(kind: file[start], range: start..<at, records: records))
    }
    return frames
  }

  static func verify(
    _ file: [UInt8], keys: [VerifierKey] = [], checkpoints: [Checkpoint] = [], piece: Int = 777
  ) throws -> [LogVerifier.Log] {
    var rest = file[...]
    return try LogVerifier(keys: keys, checkpoints: checkpoints).verify({
      defer { rest = rest.dropFirst(piece) }
      return Array(rest.prefix(piece))
    })
  }

  static func fault(
    _ file: [UInt8], keys: [VerifierKey] = [], checkpoints: [Checkpoint] = []
  ) throws -> LogVerifier.Fault? {
    do {
      _ = try verify(file, keys: keys, checkpoints: checkpoints)
      return nil
    } catch let fault as LogVerifier.Fault {
      return fault
    }
  }

  @Test func anExportIsVerified() async throws {
    let exported = try await Self.export()
    for piece in [1, 50, 10_000_000] {
      let logs = try Self.verify(
        exported.file, keys: [exported.key], checkpoints: exported.checkpoints, piece: piece)
      #expect(logs.map(\.size) == [12])
      #expect(logs.map(\.root) == [exported.checkpoints[4].root])
      #expect(logs.map(\.signedSize) == [11])
    }
    // A node that ends leaves its last signature behind.
    #expect(try Self.verify(exported.closed, keys: [exported.key]).map(\.signedSize) == [12])
    for file in exported.earlier { #expect(try Self.fault(file) == nil) }
  }

  @Test func everyFlippedByteIsFound() async throws {
    let exported = try await Self.export()
    for index in exported.file.indices {
      var file = exported.file
      file[index] ^= 0x10
      let fault = try Self.fault(file, keys: [exported.key])
      // The epoch is told, and proven by nothing; a log has one.
      let isEpoch = exported.frames.contains { frame in
        frame.kind == UInt8(ascii: "L")
          && (frame.range.lowerBound + 1..<frame.range.lowerBound + 9).contains(index)
      }
      #expect(isEpoch || fault != nil, "byte \(index) of \(file.count)")
      // Inside a record the record itself is named.
      var leaf: UInt64 = 0
      for record in exported.frames.flatMap(\.records) {
        if (record.lowerBound + 36..<record.upperBound).contains(index) {
          #expect(fault?.kind == .changed && fault?.leaf == leaf)
          #expect(fault?.offset == UInt64(record.lowerBound))
          #expect(fault?.decision == DecisionID(log: exported.log, leaf: leaf))
        }
        leaf += 1
      }
    }
  }

  @Test func everyTruncationIsFound() async throws {
    let exported = try await Self.export()
    for count in exported.file.indices {
      let fault = try Self.fault(Array(exported.file.prefix(count)))
      #expect(fault != nil, "\(count) bytes")
    }
    #expect(try Self.fault(exported.file + [0])?.kind == .malformed)
  }

  /// A record whose own hash was changed with it does not give the root; its batch is named.
  @Test func aRecordChangedWithItsHashIsFound() async throws {
    let exported = try await Self.export()
    let batch = exported.frames.filter { $0.kind == UInt8(ascii: "B") }[1]
    let record = batch.records[2]
    var file = exported.file
    file[record.upperBound - 1] ^= 1
    file.replaceSubrange(
      record.lowerBound + 4..<record.lowerBound + 36,
      with: TreeHash.leaf(file[record.lowerBound + 36..<record.upperBound]).bytes)
    let fault = try Self.fault(file)
    #expect(fault?.kind == .root && fault?.leaf == 1 && fault?.end == 4)
  }

  @Test func deletedDuplicatedAndSwappedRecordsAreFound() async throws {
    let exported = try await Self.export()
    let batches = exported.frames.filter { $0.kind == UInt8(ascii: "B") }
    let batch = batches[3]
    let bodies = batch.records.map { Array(exported.file[$0]) }
    func with(_ records: [[UInt8]]) -> [UInt8] {
      var frame = Array(exported.file[batch.range.lowerBound..<batch.records[0].lowerBound])
      frame.replaceSubrange(9..<13, with: Self.number(records.count))
      frame.replaceSubrange(
        frame.count - 4..<frame.count, with: Self.number(records.map(\.count).reduce(0, +)))
      var file = exported.file
      file.replaceSubrange(batch.range, with: frame + records.flatMap { $0 })
      return file
    }
    #expect(try Self.fault(with(bodies)) == nil)
    var deleted = bodies
    deleted.remove(at: 2)
    #expect(try Self.fault(with(deleted))?.kind == .misplaced)
    #expect(try Self.fault(with(deleted))?.leaf == 8)
    var last = bodies
    last.removeLast()
    #expect(try Self.fault(with(last))?.kind == .root)
    #expect(try Self.fault(with(bodies + [bodies[4]]))?.leaf == 11)
    var swapped = bodies
    swapped.swapAt(1, 3)
    #expect(try Self.fault(with(swapped))?.kind == .misplaced)
    #expect(try Self.fault(with(swapped))?.leaf == 7)
    // Whole batches.
    for (index, other) in [(1, 2), (2, 1), (0, 1)] {
      var file = exported.file
      file.replaceSubrange(
        batches[index].range, with: Array(exported.file[batches[other].range]))
      #expect(try Self.fault(file) != nil)
      file = exported.file
      file.removeSubrange(batches[index].range)
      #expect(try Self.fault(file)?.kind == .missing)
      file = exported.file
      file.insert(
        contentsOf: exported.file[batches[index].range], at: batches[index].range.upperBound)
      #expect(try Self.fault(file)?.kind == .misplaced)
    }
  }

  /// Records of another log, as whole and well-formed as these, do not belong here.
  @Test func splicedRecordsAreFound() async throws {
    let (one, other) = (try await Self.export(), try await Self.export())
    let (mine, theirs) = (
      one.frames.filter { $0.kind == UInt8(ascii: "B") },
      other.frames.filter { $0.kind == UInt8(ascii: "B") }
    )
    var file = one.file
    file.replaceSubrange(mine[1].range, with: Array(other.file[theirs[1].range]))
    let fault = try Self.fault(file)
    #expect(fault?.kind == .misplaced && fault?.leaf == 1)
    // A whole log under the other's name.
    file = other.file
    file.replaceSubrange(other.frames[0].range, with: Array(one.file[one.frames[0].range]))
    #expect(try Self.fault(file)?.kind == .misplaced)
  }

  @Test func rollbackAndForkNeedACheckpointFromElsewhere() async throws {
    let exported = try await Self.export()
    // Earlier states verify by themselves: nobody can tell without a later checkpoint.
    for (file, checkpoint) in zip(exported.earlier, exported.checkpoints.dropFirst()) {
      #expect(try Self.fault(file, keys: [exported.key]) == nil)
      #expect(
        try Self.fault(file, keys: [exported.key], checkpoints: [checkpoint])?.kind == .rolledBack)
    }
    for index in exported.checkpoints.indices {
      var forked = exported.checkpoints[index]
      forked.root = .leaf([1])
      let fault = try Self.fault(exported.file, checkpoints: [forked])
      #expect(fault?.kind == .forked && fault?.end == forked.size)
    }
    // A log that is gone altogether.
    let empty = Array("consentd log export 1\nE".utf8) + [0, 0, 0, 0]
    #expect(try Self.fault(empty) == nil)
    #expect(try Self.fault(empty, checkpoints: exported.checkpoints)?.kind == .rolledBack)
  }

  @Test func onlyTheGivenKeysCount() async throws {
    let exported = try await Self.export()
    let line = try #require(LogSigner.newKey(name: "node"))
    let other = try LogSigner(keyFile: line).verifierKey
    #expect(try Self.fault(exported.file, keys: [other])?.kind == .unknownKey)
    // After a rotation the old key still verifies what it signed.
    #expect(try Self.fault(exported.file, keys: [other, exported.key]) == nil)
    // The other key's name put into the file does not make its signatures valid.
    let old = Array(exported.key.text.utf8)
    let place = exported.frames[0].range.upperBound - old.count
    var file = exported.file
    file.replaceSubrange(place..<place + old.count, with: Array(other.text.utf8))
    #expect(try Self.fault(file, keys: [other])?.kind == .signature)
  }

  /// What an administrator of the database does, before anything is exported.
  @Test func recordsChangedOrDeletedInTheDatabaseAreFound() async throws {
    let exported = try await Self.export()
    let database = try await TestDatabase.shared.value
    func again() throws -> [UInt8] {
      var file: [UInt8] = []
      try LogExport.write(.all, of: exported.organization, database: database.server) {
        file += $0
      }
      return file
    }
    #expect(try again() == exported.closed)
    // The last byte of the batch of leaves 4 and 5: the group flag of its last record.
    let batch = "log_id = '\(exported.log)' AND first_leaf = 4"
    try database.run(
      """
      UPDATE proof_log_batch SET records = set_byte(records, octet_length(records) - 2,
        get_byte(records, octet_length(records) - 2) # 1) WHERE \(batch)
      """)
    var fault = try Self.fault(again(), keys: [exported.key])
    #expect(fault?.kind == .root && fault?.leaf == 4 && fault?.end == 6)
    try database.run("DELETE FROM proof_log_batch WHERE \(batch)")
    #expect(throws: StoreError.self) { _ = try again() }
    // Cut back to an earlier batch, which still was signed: shown by what is kept elsewhere only.
    try database.run(
      "DELETE FROM proof_log_batch WHERE log_id = '\(exported.log)' AND first_leaf > 3")
    let cut = try again()
    #expect(try Self.fault(cut, keys: [exported.key]) == nil)
    fault = try Self.fault(cut, keys: [exported.key], checkpoints: exported.checkpoints)
    #expect(fault?.kind == .rolledBack && fault?.leaf == 4 && fault?.end == 6)
  }

  static func number(_ value: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }
}
