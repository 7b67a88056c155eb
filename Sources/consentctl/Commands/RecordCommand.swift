import ArgumentParser
import ConsentProto
import Foundation

struct RecordCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "Records a signed or stated paper: authorization, consent, refusal, restriction.",
    discussion: """
      Without a file it asks for each element of the form. Whatever is missing is named before
      anything is stored; a defective paper can be recorded all the same, because it exists, and
      permits nothing.

      A file (YAML or JSON):
        patient: urn:mrn|P-1001
        second: { birth_date: 1970-05-05 }
        kind: authorization
        statements: { right_to_revoke: true, conditioning: true, redisclosure: true }
        signer: { capacity: individual }
        signed: 2026-03-01
        signature_present: true
        information: the chest films of November 2025
        grants:
          - scope: { study: 1.2.840.113619.2.1 }
            uses: [education]
            audiences: [external]
            recipients: [{ kind: venue, system: urn:issn, value: 1234-5678, name: Journal }]
            until: 2026-12-31

      Examples:
        consentctl record
        consentctl record paper.yaml --dry-run
      """)

  @Argument(help: "The paper as YAML or JSON. Without it the elements are asked for.")
  var file: String?

  @Flag(help: "Says what is missing and what it would cover; stores nothing.")
  var dryRun = false

  @Flag(help: "Records it although elements are missing.")
  var acceptDefects = false

  @Option(help: "Idempotency key; the same key and paper record once. Default: a new one.")
  var key: String = UUID().uuidString

  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      let paper = try file.map(Paper.read) ?? InteractivePaper.ask()
      try await server.connected(as: .recorder) { try await record(paper, over: $0) }
    }
  }

  private func record(_ paper: Paper, over connection: Connection) async throws {
    let patient = try await Patients.find(paper.patient, over: connection)
    var request = try paper.request(patientID: patient.patientID, key: key)
    request.validateOnly = true
    let preview: Consent_V1_RecordInstrumentResponse = try await connection.unary(
      "RecordService/RecordInstrument", request)
    if !server.json || !preview.defects.isEmpty { standardError(Self.text(preview) + "\n") }
    if dryRun {
      if server.json { print(try preview.json()) }
      if !preview.defects.isEmpty { throw ExitCode(65) }
      return
    }
    if !preview.defects.isEmpty, !acceptDefects {
      guard Terminal.isInteractive,
        try Terminal.confirm("Record it all the same? It will permit nothing.")
      else {
        throw CommandFailure.data(
          "elements are missing: complete the paper, or record it with --accept-defects")
      }
    }
    request.validateOnly = false
    let answer: Consent_V1_RecordInstrumentResponse = try await connection.unary(
      "RecordService/RecordInstrument", request)
    if server.json { return print(try answer.json()) }
    print("recorded instrument \(answer.instrument.instrumentID) at \(answer.position.position)")
    for grant in answer.instrument.grants {
      print("  grant \(grant.grantID): \(Words.word(grant.state))")
    }
  }

  private static func text(_ answer: Consent_V1_RecordInstrumentResponse) -> String {
    var lines = answer.defects.map { defect in
      "missing: \(Words.word(defect.element).replacing("-", with: " "))"
        + (defect.paragraph.isEmpty ? "" : " (\(defect.paragraph))")
        + (defect.sentence.isEmpty ? "" : ": \(defect.sentence)")
    }
    lines.append("covers \(answer.coveredCount) images on record")
    if answer.blockedCount > 0 {
      lines.append("without effect on \(answer.blockedCount) of them, where a deny stands")
    }
    for id in answer.duplicateInstrumentIds { lines.append("the same scan as instrument \(id)") }
    return lines.joined(separator: "\n")
  }
}

struct RevokeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke",
    abstract: "Takes a revocation: grants, a whole paper, or everything of a patient.",
    discussion: """
      Example:
        consentctl revoke --patient 'urn:mrn|P-1001' --birth-date 1970-05-05 \\
          --grant 6f0e… --signed 2026-06-10T09:00:00Z
      """)

  @Option(help: "The patient: an id, or system|value.") var patient: String
  @Option(help: "Second identifier: the birth date, YYYY-MM-DD.") var birthDate: String
  @Option(help: "A grant to revoke; may be repeated.") var grant: [String] = []
  @Option(help: "Every grant of this instrument.") var instrument: String?
  @Flag(help: "Every grant of the patient.") var everything = false
  @Option(help: "\(Words.all(Consent_V1_RevocationMethod.self).joined(separator: " | ")).")
  var method = "written"
  @Option(help: "When it was signed or said: a day or an instant.") var signed: String
  @Option(help: "When it was received, an instant. Default: now.") var received: String?
  @Option(help: "\(Words.all(Consent_V1_SignerCapacity.self).joined(separator: " | ")).")
  var signer = "individual"
  @Option(help: "The signer's authority, if it is not the individual.") var authority: String?
  @Option(help: "Who the representative is: system|value.") var representative: String?
  @Flag(help: "Says what would end and what would still cover; stores nothing.") var dryRun = false
  @Option(help: "Idempotency key. Default: a new one.") var key: String = UUID().uuidString
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      try await server.connected(as: .recorder) { connection in
        let answer: Consent_V1_RevokeResponse = try await connection.unary(
          "RecordService/Revoke", try await request(over: connection))
        print(server.json ? try answer.json() : text(answer))
      }
    }
  }

  private func request(over connection: Connection) async throws -> Consent_V1_RevokeRequest {
    var request = Consent_V1_RevokeRequest()
    request.patientID = try await Patients.find(patient, over: connection).patientID
    request.secondIdentifier.birthDate = try Keys.day(birthDate, field: "--birth-date")
    switch (grant.isEmpty, instrument, everything) {
    case (false, nil, false): request.grants.grantIds = grant
    case (true, let id?, false): request.instrumentID = id
    case (true, nil, true): request.everyGrant = .init()
    default:
      throw CommandFailure.usage("give one of --grant, --instrument and --everything")
    }
    request.method = try Words.value(method, field: "--method")
    request.signer.capacity = try Words.value(signer, field: "--signer")
    if let authority { request.signer.authorityDescription = authority }
    if let representative {
      request.signer.representative = try Keys.identifier(
        representative, field: "--representative")
    }
    request.signed = try Keys.signed(signed, field: "--signed")
    if let received { request.receivedAt = try Keys.instant(received, field: "--received") }
    request.validateOnly = dryRun
    request.idempotencyKey = key
    return request
  }

  private func text(_ answer: Consent_V1_RevokeResponse) -> String {
    var lines = [
      dryRun ? "would revoke:" : "revoked (\(answer.revocationID)):"
    ]
    lines += answer.revokedGrantIds.map { "  grant \($0)" }
    lines += answer.endedGrantIds.map { "  grant \($0), which had ended already" }
    if !answer.binds { lines.append("recorded, but it does not bind: policy asks for writing") }
    for remaining in answer.remaining {
      lines.append("still covers \(remaining.imageCount) images: grant \(remaining.grant.grantID)")
    }
    if !answer.remaining.isEmpty {
      lines.append("offer a refusal if the patient wants no use at all")
    }
    lines.append(
      "permits given before: \(answer.relianceCount), after notice: \(answer.usedAfterNoticeCount)")
    if !answer.derivatives.isEmpty { lines.append("copies exist: \(answer.derivatives.count)") }
    return lines.joined(separator: "\n")
  }
}

/// Finding a patient by id or identifier; exactly one, so that no slip goes through.
enum Patients {
  static func find(_ text: String, over connection: Connection) async throws -> Consent_V1_Patient {
    let reference = try Keys.patient(text)
    var request = Consent_V1_FindPatientsRequest()
    switch reference.reference {
    case .identifier(let identifier): request.identifier = identifier
    case .patientID(let id): request.patientID = id
    case nil: break
    }
    let answer: Consent_V1_FindPatientsResponse = try await connection.unary(
      "RecordService/FindPatients", request)
    guard let patient = answer.patients.first else {
      throw CommandFailure.data("no such patient; register it with consentctl register")
    }
    guard answer.patients.count == 1 else {
      throw CommandFailure.data(
        "\(answer.patients.count) patients have this identifier; give the patient's id")
    }
    return patient
  }
}
