import ArgumentParser
import ConsentProto

struct AccessesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accesses",
    abstract: "Who read records of patients, and when (45 CFR 164.312(b)).",
    discussion: """
      Each was logged before its answer left. Looking is logged, too.

      Examples:
        consentctl accesses 'urn:lakeside:mrn|P-1001'
        consentctl accesses --caller viewer --from 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z
      """)

  @Argument(help: "Only of this patient: an id, or system|value.") var patient: String?
  @Option(help: "Only by this caller.") var caller: String?
  @Option(help: "From this instant on.") var from: String?
  @Option(help: "Before this instant.") var until: String?
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_ListAccessesRequest()
      if let patient { request.patient = try Keys.patient(patient) }
      if let caller { request.caller = caller }
      if let from { request.period.from = try Keys.instant(from, field: "--from") }
      if let until { request.period.until = try Keys.instant(until, field: "--until") }
      request.pageSize = 500
      var table = Table(columns: ["AT", "CALLER", "METHOD", "PATIENTS", "SUBJECT", "ID"])
      try await server.connected(as: .auditor) { connection in
        repeat {
          let page: Consent_V1_ListAccessesResponse = try await connection.unary(
            "AuditService/ListAccesses", request)
          for access in page.accesses {
            if server.json { print(try access.json()) }
            table.rows.append([
              access.accessedAt.iso8601, access.caller, Self.name(access.method),
              Self.patients(access.patientIds), access.subject, access.accessID,
            ])
          }
          request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
      }
      if !server.json { print(table.text()) }
    }
  }

  /// `GetPatientHistory` of `consent.v1.RecordService/GetPatientHistory`.
  private static func name(_ method: String) -> String {
    method.split(separator: "/").last.map(String.init) ?? method
  }

  private static func patients(_ ids: [String]) -> String {
    switch ids.count {
    case 0: "-"
    case 1: ids[0]
    default: "\(ids[0]) and \(ids.count - 1) more"
    }
  }
}
