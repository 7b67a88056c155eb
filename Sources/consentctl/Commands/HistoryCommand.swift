import ArgumentParser
import ConsentProto

struct HistoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Everything recorded for a patient, in the order it was recorded.",
    discussion: "Example:\n  consentctl history 'urn:lakeside:mrn|P-1001'")

  @Argument(help: "The patient: an id, or system|value.") var patient: String
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      try await server.connected(as: .recorder) { connection in
        var request = Consent_V1_GetPatientHistoryRequest()
        request.patient = try Keys.patient(patient)
        request.pageSize = 500
        var table = Table(columns: ["POSITION", "RECORDED", "KIND", "SUMMARY", "ID"])
        repeat {
          let page: Consent_V1_GetPatientHistoryResponse = try await connection.unary(
            "RecordService/GetPatientHistory", request)
          for entry in page.entries {
            if server.json { print(try entry.json()) }
            table.rows.append([
              String(entry.position.position), entry.recordedAt.iso8601,
              Words.word(entry.record.kind),
              entry.summary + (entry.enteredInError ? " (entered in error)" : ""),
              entry.record.id,
            ])
          }
          request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
        if !server.json { print(table.text()) }
      }
    }
  }
}
