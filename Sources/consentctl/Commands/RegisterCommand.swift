import ArgumentParser
import ConsentProto
import Foundation

struct RegisterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "register",
    abstract: "Registers patients and images, from DICOM files, DICOM JSON or CSV.",
    discussion: """
      DICOM files are read with dcm2json (Debian package dcmtk); pixels never leave this machine.
      The patient is taken from the header (Patient ID with its issuer, or --issuer), or given
      with --patient. The same import again changes nothing.

      CSV columns: patient_system, patient_value, sop_instance_uid or sha256, kind,
      study_instance_uid, series_instance_uid, modality, body_part, acquired_on, department, site.
      Further columns are refused, with their line.

      Examples:
        consentctl register --new-patients --issuer urn:lakeside:mrn study/*.dcm
        consentctl register --patient 'urn:lakeside:mrn|P-1001' header.json
        consentctl register images.csv
        consentctl register --patient-identifier 'urn:lakeside:mrn|P-1001' --birth-date 1970-05-05
      """)

  @Argument(help: "Files: .dcm (or DICOM without ending), .json, .csv.")
  var files: [String] = []

  @Option(help: "The patient of all the files: an id, or system|value.") var patient: String?
  @Option(help: "Issuer of patient ids in headers that do not name one.") var issuer: String?
  @Flag(help: "Registers patients that are not known yet.") var newPatients = false
  @Option(help: "Registers one patient with this identifier: system|value.")
  var patientIdentifier: [String] = []
  @Option(help: "Birth date of that patient, YYYY-MM-DD.") var birthDate: String?
  @Option(help: "Display name of that patient.") var name: String?
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      guard !files.isEmpty || !patientIdentifier.isEmpty else {
        throw CommandFailure.usage("nothing to register: give files or --patient-identifier")
      }
      let images = try files.flatMap(read)
      try await server.connected(as: .recorder) { connection in
        if !patientIdentifier.isEmpty { try await registerPatient(over: connection) }
        if !images.isEmpty { try await register(images, over: connection) }
      }
    }
  }

  private func read(_ path: String) throws -> [Consent_V1_ImageRegistration] {
    let reference = try patient.map(Keys.patient)
    switch (path as NSString).pathExtension.lowercased() {
    case "csv": return try ImageCSV.read(path, patient: reference)
    case "json": return try DICOMFile.readJSON(path, patient: reference, issuer: issuer)
    default: return [try DICOMFile.read(path, patient: reference, issuer: issuer)]
    }
  }

  private func registerPatient(over connection: Connection) async throws {
    var request = Consent_V1_RegisterPatientRequest()
    request.fields.identifiers = try patientIdentifier.map {
      try Keys.identifier($0, field: "--patient-identifier")
    }
    if let birthDate { request.fields.birthDate = try Keys.day(birthDate, field: "--birth-date") }
    if let name { request.fields.displayName = name }
    request.idempotencyKey = UUID().uuidString
    let answer: Consent_V1_RegisterPatientResponse = try await connection.unary(
      "RecordService/RegisterPatient", request)
    print(server.json ? try answer.json() : "patient \(answer.patient.patientID)")
  }

  private func register(
    _ images: [Consent_V1_ImageRegistration], over connection: Connection
  ) async throws {
    if newPatients { try await registerMissingPatients(of: images, over: connection) }
    let progress = Progress(title: "registering", total: images.count)
    var counts: [Consent_V1_RegistrationOutcome: Int] = [:]
    for start in stride(from: 0, to: images.count, by: 250) {
      var request = Consent_V1_RegisterImagesRequest()
      request.images = Array(images[start..<min(start + 250, images.count)])
      request.idempotencyKey = UUID().uuidString
      let answer: Consent_V1_RegisterImagesResponse = try await connection.unary(
        "RecordService/RegisterImages", request)
      for (offset, outcome) in answer.outcomes.enumerated() {
        counts[outcome.outcome, default: 0] += 1
        if server.json { print(try outcome.json()) }
        if outcome.outcome == .invalid || outcome.outcome == .conflict {
          standardError("image \(start + offset + 1): \(outcome.field): \(outcome.sentence)\n")
        }
      }
      progress.show(min(start + 250, images.count))
    }
    if !server.json {
      for (outcome, count) in counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        print("\(count) \(Words.word(outcome))")
      }
    }
    if counts[.invalid] != nil || counts[.conflict] != nil { throw ExitCode(65) }
  }

  private func registerMissingPatients(
    of images: [Consent_V1_ImageRegistration], over connection: Connection
  ) async throws {
    var seen: Set<Consent_V1_Identifier> = []
    for image in images {
      guard case .identifier(let identifier) = image.patient.reference,
        seen.insert(identifier).inserted
      else { continue }
      var find = Consent_V1_FindPatientsRequest()
      find.identifier = identifier
      let found: Consent_V1_FindPatientsResponse = try await connection.unary(
        "RecordService/FindPatients", find)
      guard found.patients.isEmpty else { continue }
      var request = Consent_V1_RegisterPatientRequest()
      request.fields.identifiers = [identifier]
      request.idempotencyKey = UUID().uuidString
      let _: Consent_V1_RegisterPatientResponse = try await connection.unary(
        "RecordService/RegisterPatient", request)
    }
  }
}
