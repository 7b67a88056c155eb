import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

/// Invariant I8: coverage and checks never disagree. Same function, same position.
@Suite struct ConsistencyTests {
  /// Checks that differ in whatever the register can tell apart: role and channel by the lists they
  /// are on, receivers by what is named. Each permits the same as any other of its kind.
  private static func checks(
    _ image: ImageKey, _ use: Use, _ audience: Audience
  ) -> [CheckRequest] {
    let names = RandomClinic.named
    let stranger = Identifier(system: "people", value: "somebody")
    var requests: [CheckRequest] = []
    for channel in [Channel.print, .ehr, .publication] {
      for identity in [stranger] + names {
        for membership in [[], [names[0]], [names[1]], names] {
          let actor = Actor(
            user: identity, role: .clinician, relationship: .careTeam,
            memberOf: membership + [RandomClinic.unit])
          let recipient = Party(kind: .person, identifier: identity, memberOf: membership)
          requests.append(
            CheckRequest(
              image: image, use: use, audience: audience, channel: channel, actor: actor,
              recipient: audience.needsRecipient ? recipient : nil))
        }
      }
    }
    return requests
  }

  /// Cells in which the report and the checks differ.
  private static func disagreements(
    _ clinic: TestClinic, asOf: Instant?, factsAt position: UInt64? = nil
  ) async throws -> [String] {
    let query = CoverageQuery(
      uses: [.diagnosis, .education], dimensions: [.site], asOf: asOf, patientsPerPage: 2)
    let report = try await clinic.reports.coverage(query)
    let images = try await clinic.store.read(clinic.organization) { reader in
      let patients = try reader.patients(after: nil, limit: .max)
      return try reader.facts(patients: patients, asOf: report.head.position).standingImages()
    }
    var permitted: [CoverageReport.Key: Int] = [:]
    for image in images {
      let facts = try await clinic.store.read(clinic.organization) { reader in
        try reader.facts(images: [image.key], asOf: position ?? report.head.position)
      }
      for use in [Use.diagnosis, .education] {
        for audience in Audience.allCases {
          let isPermitted = checks(image.key, use, audience).contains {
            decide($0, caller: CallerLimits(), facts: facts, at: report.asOf).effect == .permit
          }
          let key = CoverageReport.Key(
            use: use, audience: audience, image: image, dimensions: [.site])
          permitted[key, default: 0] += isPermitted ? 1 : 0
        }
      }
    }
    return report.rows.compactMap { row in
      let covered = row.counts.filter { $0.key.coverageClass.isCovered }.values.reduce(0, +)
      guard covered != permitted[row.key] else { return nil }
      return "\(row.key.use) \(row.key.audience): \(covered) of \(permitted[row.key] ?? -1)"
    }
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func coverageCountsExactlyWhatChecksWouldPermit(seed: UInt64) async throws {
    let register = try await RandomClinic(seed: seed, records: 20)
    // Every other register is looked at as it was a while ago.
    let past = register.clinic.clock.now().adding(microseconds: -24 * .microsecondsPerHour)
    let found = try await Self.disagreements(register.clinic, asOf: seed % 2 == 0 ? past : nil)
    #expect(found.isEmpty, "seed \(seed): \(found)")
  }

  @Test(arguments: [11, 12, 13, 14] as [UInt64])
  func rowsAddUpToTheDenominator(seed: UInt64) async throws {
    let register = try await RandomClinic(seed: seed, records: 25)
    var reports: [CoverageReport] = []
    for page in [1, 3] {
      let query = CoverageQuery(dimensions: [.site], patientsPerPage: page)
      reports.append(try await register.clinic.reports.coverage(query))
    }
    for report in reports {
      #expect(report.rows == reports[0].rows, "seed \(seed)")
      for row in report.rows {
        #expect(row.counts.values.reduce(0, +) == row.images, "seed \(seed): \(row.key)")
      }
      for use in Use.allCases {
        for audience in Audience.allCases {
          let rows = report.rows.filter { $0.key.use == use && $0.key.audience == audience }
          #expect(rows.map(\.images).reduce(0, +) == report.images, "seed \(seed)")
        }
      }
    }
  }

  /// The same comparison with checks at an older position than the report's.
  @Test func aReportAtAnotherPositionThanTheChecksIsCaught() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    let recipient = Party(kind: .organization, identifier: RandomClinic.named[0])
    try await clinic.addPaper(1, of: 1, recipients: [recipient])
    let before = try await clinic.store.read(clinic.organization) { $0.head.position }
    try await clinic.revoke(1, of: 1, received: TestClinic.start)
    #expect(try await Self.disagreements(clinic, asOf: nil).isEmpty)
    #expect(try await !Self.disagreements(clinic, asOf: nil, factsAt: before).isEmpty)
  }
}
