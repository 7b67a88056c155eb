import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Postgres
import Synchronization

/// The three ways that are measured side by side.
enum Way: String, CaseIterable, Sendable {
  /// INSERT of one row, a connection a writer.
  case plain = "plain one-row commit"
  /// Revocations, a transaction each.
  case alone = "revocation, alone"
  /// Revocations as the product writes them.
  case grouped = "revocation, grouped"
}

/// Writers that each wait for one answer before they ask again.
struct Bench: Sendable {
  private let plain: PostgresConfiguration
  private let stores: [Way: PostgresConsentStore]
  private let organization: OrganizationID

  init(_ cluster: TemporaryPostgres) async throws {
    let administrator = PostgresConfiguration(
      conninfo: cluster.conninfo(), applicationName: "bench", searchPath: "public")
    try Migrator().migrate(administrator)
    // No secret: the socket lies in a private folder, and the cluster ends with this process.
    try ServerLogin.setPassword("bench", administrator)
    try PostgresConnection(administrator).execute(
      script: "CREATE TABLE public.plain (id bigint NOT NULL, body text NOT NULL)")
    plain = administrator
    let server = PostgresConfiguration(
      conninfo: cluster.server.conninfo(user: ServerLogin.role, password: "bench"),
      applicationName: "bench")
    var stores: [Way: PostgresConsentStore] = [:]
    for way in [Way.alone, .grouped] {
      var options = PostgresConsentStore.Options(masterKeys: [[UInt8](repeating: 1, count: 32)])
      if way == .alone { options.writeGroupLimit = 1 }
      stores[way] = try await PostgresConsentStore.open(
        server, clock: SystemWallClock(), options: options)
    }
    self.stores = stores
    organization = fresh()
    try await stores[.alone]?.createOrganization(
      OrganizationSettings(id: organization, name: "Bench", timeZone: "UTC"))
  }

  /// - Returns: how long each answer took, in microseconds.
  func run(_ way: Way, writers: Int, for time: Duration) async throws -> [Double] {
    switch way {
    case .plain:
      let lanes = (0..<writers).map { _ in PostgresLane(plain) }
      let insert = PostgresStatement(
        name: "plain", sql: "INSERT INTO public.plain VALUES ($1, 'a row as others write it')")
      // Connecting and preparing are not measured.
      for lane in lanes { try await lane.run { _ = try $0.execute(insert, Int64(0)) } }
      let latencies = try await loop(writers, time) { writer in
        try await lanes[writer].run { _ = try $0.execute(insert, Int64(writer)) }
      }
      for lane in lanes { await lane.close() }
      return latencies
    case .alone, .grouped:
      guard let store = stores[way] else { return [] }
      let register = try await grants(enoughFor: writers * 2_500 / (writers + 20), store)
      let next = Atomic(0)
      return try await loop(writers, time) { _ in
        let at = next.wrappingAdd(1, ordering: .relaxed).oldValue
        try await revoke(register[at % register.count], store)
      }
    }
  }

  private func loop(
    _ writers: Int, _ time: Duration, _ write: @escaping @Sendable (Int) async throws -> Void
  ) async throws -> [Double] {
    let clock = ContinuousClock()
    let end = clock.now + time
    return try await withThrowingTaskGroup(of: [Double].self) { group in
      for writer in 0..<writers {
        group.addTask {
          var latencies: [Double] = []
          while clock.now < end {
            let (seconds, attoseconds) = try await clock.measure { try await write(writer) }
              .components
            latencies.append(Double(seconds) * 1e6 + Double(attoseconds) / 1e12)
          }
          return latencies
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }

  struct Entry: Sendable {
    var patient: PatientID
    var grant: GrantID
  }

  /// Patients with a paper of one grant each.
  private func grants(enoughFor count: Int, _ store: PostgresConsentStore) async throws -> [Entry] {
    let entries = (0..<max(200, count)).map { _ in Entry(patient: fresh(), grant: fresh()) }
    _ = try await store.write(organization, by: "bench", key: nil) { writer in
      for entry in entries {
        try writer.append(entry.registration(at: writer.now))
      }
      return []
    }
    return entries
  }

  /// As the service does it: the patient's facts under the lock, the rules, then the change.
  ///
  /// A grant revoked before is revoked again, which the rules record as such and which costs alike.
  private func revoke(_ entry: Entry, _ store: PostgresConsentStore) async throws {
    let id: ID<Revocation> = fresh()
    let key = IdempotencyKey(
      caller: "bench", key: id.description, contentSHA256: [UInt8](repeating: 0, count: 32))
    _ = try await store.write(organization, by: "bench", key: key, about: entry.patient) { writer in
      let facts = try writer.facts(patients: [entry.patient], asOf: nil)
      let clock = CommandClock(now: writer.now, today: LocalDay(daysSince1970: 20_600))
      let revocation = Revocation(
        id: id, patient: entry.patient, grants: [entry.grant], method: .written,
        signer: Signer(capacity: .individual),
        signed: SignedTime(day: LocalDay(daysSince1970: 20_600)), received: writer.now)
      let outcome = try ChangeBuilder(facts: facts, clock: clock).revoke(revocation)
      try writer.append(outcome.change)
      return [1]
    }
  }
}

extension Bench.Entry {
  fileprivate func registration(at now: Instant) -> Change {
    var change = Change()
    let record: RecordID = fresh()
    change.append(
      .patient(
        PatientRecord(
          recordID: record, id: patient, version: 1, majority: nil, timeZoneDataVersion: "2026a")),
      event: FeedEvent(
        kind: .patientRegistered, subject: patient.description, patient: patient, occurred: now))
    let day = LocalDay(daysSince1970: 20_000)
    let paper = Instrument(
      id: fresh(), patient: patient, kind: .authorization,
      form: Form.Reference(id: "A", version: "1"),
      statements: Statements(rightToRevoke: true, conditioning: true, redisclosure: true),
      informationDescription: "chest films", signer: Signer(capacity: .individual),
      signed: SignedTime(day: day), receivedDay: day, received: now,
      grants: [
        Grant(
          id: grant, effect: .permit, scope: .patient, uses: [.education], audiences: [.external],
          recipients: [], channels: [.publication], effectiveFrom: .distantPast, expiry: .none)
      ])
    change.append(
      .instrument(paper),
      event: FeedEvent(
        kind: .instrumentRecorded, subject: paper.id.description, patient: patient,
        grants: [grant], occurred: now))
    return change
  }
}

func fresh<Subject>() -> ID<Subject> {
  ID(high: .random(in: 1...(.max)), low: .random(in: 0...(.max)))
}
