import ArgumentParser
import ConsentProto
import Foundation

struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Consent coverage, grants that end soon, accounting of disclosures.",
    subcommands: [CoverageCommand.self, ExpiringCommand.self, AccountingCommand.self])
}

/// How a report is printed.
struct ReportFormat: ParsableArguments {
  @Flag(help: "Print CSV.") var csv = false
}

struct CoverageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage",
    abstract: "Of all images, how many may be used, for what, and why not the others.",
    discussion: """
      Each row adds up to its images. It says what a check would answer, and permits nothing.

      Examples:
        consentctl report coverage
        consentctl report coverage --use education --by modality --as-of 2026-06-30T00:00:00Z --csv
      """)

  @Option(help: "Only this use; may be repeated.") var use: [String] = []
  @Option(help: "Only this audience; may be repeated.") var audience: [String] = []
  @Option(help: "Split by site, modality, department or month; may be repeated.")
  var by: [String] = []
  @Option(help: "As of a past instant. Default: now.") var asOf: String?
  @Option(help: "Counts as expiring what ends within so many days.") var expiringDays: UInt32?
  @OptionGroup var format: ReportFormat
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_CoverageRequest()
      request.uses = try use.map { try Words.value($0, field: "--use") }
      request.audiences = try audience.map { try Words.value($0, field: "--audience") }
      request.dimensions = try by.map { try Words.value($0, field: "--by") }
      if let asOf { request.asOf = try Keys.instant(asOf, field: "--as-of") }
      if let expiringDays { request.expiringDays = expiringDays }
      var rows: [Consent_V1_CoverageRow] = []
      var summary = Consent_V1_CoverageSummary()
      try await server.connected(as: .reporter) { connection in
        try await connection.stream("ReportService/Coverage", request) {
          (message: Consent_V1_CoverageResponse) in
          if server.json { print(try message.json()) }
          switch message.message {
          case .progress(let progress):
            Progress(title: "coverage", total: Int(clamping: progress.imagesTotal))
              .show(Int(clamping: progress.imagesDone))
          case .row(let row): rows.append(row)
          case .summary(let end): summary = end
          case nil: break
          }
          return true
        }
      }
      guard !server.json else { return }
      print(format.csv ? Self.csv(rows) : Self.text(rows, summary))
    }
  }

  private static func dimensions(_ row: Consent_V1_CoverageRow) -> [String] {
    var cells = [Words.word(row.use), Words.word(row.audience)]
    if row.hasSite { cells.append(row.site.isEmpty ? "-" : row.site) }
    if row.hasModality { cells.append(row.modality.isEmpty ? "-" : row.modality) }
    if row.hasDepartment { cells.append(row.department.isEmpty ? "-" : row.department) }
    if row.hasMonth { cells.append("\(row.month.year)-\(row.month.month)") }
    return [cells.joined(separator: " / ")]
  }

  static func text(
    _ rows: [Consent_V1_CoverageRow], _ summary: Consent_V1_CoverageSummary
  ) -> String {
    let usable: Set<Consent_V1_CoverageClass> = [
      .covered, .coveredNamedRecipients, .notNeeded, .deidentified, .expiring,
    ]
    var table = Table(columns: ["USE / AUDIENCE", "IMAGES", "MAY BE USED", "WHY, AND WHY NOT"])
    for row in rows {
      let part = row.counts.filter { usable.contains($0.class) }.reduce(0) { $0 + $1.images }
      let why = row.counts.map { count in
        var text = "\(count.images) \(Words.word(count.class))"
        if count.reason != .unspecified { text += " (\(Words.upper(count.reason)))" }
        if count.element != .unspecified { text += " [\(Words.word(count.element))]" }
        return text
      }
      table.rows.append(
        dimensions(row) + [
          String(row.images), Table.bar(part, of: row.images), why.joined(separator: ", "),
        ])
    }
    return table.text()
      + "\n\(summary.images) images of \(summary.patients) patients, as of "
      + "\(summary.asOf.iso8601), position \(summary.factsPosition.position). "
      + "This report permits nothing."
  }

  static func csv(_ rows: [Consent_V1_CoverageRow]) -> String {
    var table = Table(columns: [
      "use", "audience", "site", "modality", "department", "month", "images", "patients", "class",
      "count", "reason", "element",
    ])
    for row in rows {
      for count in row.counts {
        table.rows.append([
          Words.word(row.use), Words.word(row.audience), row.site, row.modality, row.department,
          row.hasMonth ? "\(row.month.year)-\(row.month.month)" : "", String(row.images),
          String(row.patients), Words.word(count.class), String(count.images),
          count.reason == .unspecified ? "" : Words.upper(count.reason),
          count.element == .unspecified ? "" : Words.word(count.element),
        ])
      }
    }
    return table.csv()
  }
}

struct ExpiringCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "expiring",
    abstract: "Grants that end soon: whom to contact, and for how many images.",
    discussion: "Example:\n  consentctl report expiring --days 60 --csv")

  @Option(help: "Within how many days.") var days: UInt32 = 30
  @Option(help: "Only this use; may be repeated.") var use: [String] = []
  @OptionGroup var format: ReportFormat
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_ExpiringGrantsRequest()
      request.withinDays = days
      request.uses = try use.map { try Words.value($0, field: "--use") }
      request.pageSize = 500
      var table = Table(columns: ["ENDS", "PATIENT", "USES", "IMAGES", "LEFT UNCOVERED", "GRANT"])
      try await server.connected(as: .reporter) { connection in
        repeat {
          let page: Consent_V1_ExpiringGrantsResponse = try await connection.unary(
            "ReportService/ExpiringGrants", request)
          for row in page.grants {
            if server.json { print(try row.json()) }
            table.rows.append([
              row.grant.effectiveUntil.iso8601, row.patientID,
              row.grant.terms.uses.map(Words.word).joined(separator: " "),
              String(row.imageCount), String(row.uncoveredCount), row.grant.grantID,
            ])
          }
          request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
      }
      guard !server.json else { return }
      print(format.csv ? table.csv() : table.text())
    }
  }
}

struct AccountingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accounting",
    abstract: "One patient's disclosures of six years, as 45 CFR 164.528 asks for.",
    discussion: "Example:\n  consentctl report accounting 5f0c… --csv")

  @Argument(help: "The patient id.") var patient: String
  @OptionGroup var format: ReportFormat
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_AccountingOfDisclosuresRequest()
      request.patient.patientID = patient
      request.pageSize = 500
      var table = Table(columns: ["DISCLOSED", "RECIPIENT", "ADDRESS", "WHAT", "PURPOSE", "SOURCE"])
      try await server.connected(as: .reporter) { connection in
        repeat {
          let page: Consent_V1_AccountingOfDisclosuresResponse = try await connection.unary(
            "ReportService/AccountingOfDisclosures", request)
          for line in page.lines {
            if server.json { print(try line.json()) }
            let day = line.disclosed.localDay
            table.rows.append([
              line.disclosed.time.map { time in
                if case .instant(let instant) = time { return instant.iso8601 }
                return "\(day.year)-\(day.month)-\(day.day)"
              } ?? "",
              line.recipient.hasName ? line.recipient.name : line.recipient.identifier.value,
              line.recipient.address, line.information, line.purpose,
              line.decisionID.isEmpty ? line.record.id : line.decisionID,
            ])
          }
          request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
      }
      guard !server.json else { return }
      print(format.csv ? table.csv() : table.text())
    }
  }
}
