import ConsentCore
import EmbeddedPostgres
import Postgres
import Synchronization
import Testing

@testable import ConsentStore

/// One bad change never fails its neighbours, and leaves nothing of its own.
@Suite(.fewAtOnce, .timeLimit(.minutes(3))) struct GroupNeighbourTests {
  struct Refused: Error {}

  /// The ways in which a change can fail.
  enum Bad: String, CaseIterable, Sendable {
    case throwsBeforeWriting
    case throwsAfterAnEvent
    case throwsAfterADecision
    case throwsAfterAnIdentity
    case tellsAnEventAgain
    case recordsARecordAgain
    case refersToNothing
    case writesAValueThatCannotBeStored
    case goesOnAfterAFailedStatement
    case usesAKeyThatCannotBeStored
    case usesAKeyWithOtherContent
    case endsAGrantAgain
  }

  static let patient: PatientID = ID(high: 1, low: 2)
  static let grant: GrantID = ID(high: 3, low: 4)
  static let used = IdempotencyKey(
    caller: "ehr", key: "used", contentSHA256: [UInt8](repeating: 1, count: 32))

  static func write(_ bad: Bad) -> Together.Write {
    switch bad {
    case .throwsBeforeWriting: return Together.Write { _ in throw Refused() }
    case .throwsAfterAnEvent:
      return Together.Write { writer in
        try writer.append(Change(events: [Build.event(.documentStored, "left over")]))
        throw Refused()
      }
    case .throwsAfterADecision:
      return Together.Write { writer in
        _ = try writer.log([Build.decision(Build.key(1), at: writer.now, position: 0)])
        throw Refused()
      }
    case .throwsAfterAnIdentity:
      return Together.Write { writer in
        try writer.put(
          identity: PatientIdentity(displayName: "A", birthDate: nil, identifiers: []),
          of: patient, record: random())
        throw Refused()
      }
    case .tellsAnEventAgain: return .tell("known")
    case .recordsARecordAgain: return Together.Write { try recordAgain($0).bytes }
    case .refersToNothing:
      return Together.Write { writer in
        try writer.append(
          Build.change(
            .falseInformation(
              FalseInformation(id: random(), instrument: random(), note: "")),
            .instrumentFalsified)
        ).bytes
      }
    case .writesAValueThatCannotBeStored: return .tell("a\0b")
    case .goesOnAfterAFailedStatement:
      return Together.Write { writer in
        _ = try? recordAgain(writer)
        return []
      }
    case .usesAKeyThatCannotBeStored:
      return Together.Write(
        key: IdempotencyKey(caller: "ehr", key: "a\0", contentSHA256: []),
        Together.Write.tell().body)
    case .usesAKeyWithOtherContent:
      var key = used
      key.contentSHA256[0] = 9
      return Together.Write(key: key, Together.Write.tell().body)
    case .endsAGrantAgain:
      return Together.Write { writer in
        var end = Build.end(grant, .grantExpired, at: writer.now)
        end.events[0].subject = "another"
        return try writer.append(end).bytes
      }
    }
  }

  /// An event that is new with a record that is not.
  private static func recordAgain(_ writer: any FactWriter) throws -> [UInt64] {
    var change = Change()
    change.append(
      .patient(
        PatientRecord(
          recordID: random(), id: patient, version: 1, majority: nil, timeZoneDataVersion: "2026a")),
      event: Build.event(.patientRegistered, "again"))
    return try writer.append(change)
  }

  /// Positions 1 to 4: what the bad changes run into.
  private func prepare(_ bench: Together) async throws {
    let paper = Build.instrument(
      of: Self.patient,
      [
        Grant(
          id: Self.grant, effect: .permit, scope: .patient, uses: [.education], audiences: [],
          recipients: [], channels: [], effectiveFrom: .distantPast, expiry: .none)
      ])
    let outcomes = try await bench.write([
      Together.Write { try $0.append(Build.patient(Self.patient)).bytes },
      Together.Write { try $0.append(Build.record(paper)).bytes },
      Together.Write { try $0.append(Build.end(Self.grant, .grantRevoked, at: $0.now)).bytes },
      Together.Write(key: Self.used, Together.Write.tell("known").body),
    ])
    #expect(outcomes.map(\.positions) == [[1], [2], [3], [4]])
  }

  /// Three changes, the bad one, three changes.
  private func run(_ bad: Bad, _ bench: Together) async throws -> [Together.Outcome] {
    try await prepare(bench)
    let good = (0..<6).map { _ in Together.Write.tell() }
    return try await bench.write(good[..<3] + [Self.write(bad)] + good[3...])
  }

  private func problems(
    _ outcomes: [Together.Outcome], _ bench: Together
  ) async throws -> [String] {
    var problems: [String] = []
    if outcomes[3].error == nil { problems.append("the bad change was accepted") }
    let positions = (outcomes[..<3] + outcomes[4...]).map(\.positions)
    if positions != (5...10).map({ [$0] }) { problems.append("neighbours got \(positions)") }
    let rows = try await bench.rows()
    if rows.map(\.position) != Array(1...10) { problems.append("the feed has \(rows.count) rows") }
    let (decisions, identity) = try await bench.read {
      (try $0.decisions(DecisionFilter(), limit: 9), try $0.identity(of: Self.patient))
    }
    if !decisions.isEmpty { problems.append("a decision is left over") }
    if identity != nil { problems.append("an identity is left over") }
    return problems
  }

  @Test(arguments: Bad.allCases) func aBadChangeIsAlone(bad: Bad) async throws {
    let bench = try await Together.open()
    let outcomes = try await run(bad, bench)
    #expect(try await problems(outcomes, bench) == [])
    try expectChained(try await bench.rows(), organization: bench.organization)
    switch bad {
    case .throwsBeforeWriting, .throwsAfterAnEvent, .throwsAfterADecision, .throwsAfterAnIdentity:
      #expect(outcomes[3].error is Refused)
    case .tellsAnEventAgain:
      #expect(
        outcomes[3].error as? StoreError == .duplicateEvent(kind: .documentStored, subject: "known")
      )
    case .recordsARecordAgain, .refersToNothing, .writesAValueThatCannotBeStored,
      .usesAKeyThatCannotBeStored:
      #expect(outcomes[3].error is InvalidChange)
    case .goesOnAfterAFailedStatement: #expect(outcomes[3].error is StoreError)
    case .usesAKeyWithOtherContent:
      #expect(outcomes[3].error as? StoreError == .idempotencyConflict)
    case .endsAGrantAgain: #expect(outcomes[3].error as? StoreError == .grantEnded(Self.grant))
    }
    await bench.store.close()
  }

  /// The broken variants that the test above would report.
  @Test(arguments: [
    (BrokenWrites.keepsPartialWrites, Bad.throwsAfterAnEvent),
    (.keepsPartialWrites, .throwsAfterADecision), (.keepsPartialWrites, .throwsAfterAnIdentity),
    (.sharesFailures, .recordsARecordAgain),
  ])
  func aBrokenWriterIsFound(way: BrokenWrites, bad: Bad) async throws {
    let bench = try await Together.open { $0.brokenWrites = way }
    let outcomes = try await run(bad, bench)
    #expect(try await problems(outcomes, bench) != [])
    await bench.store.close()
  }
}
