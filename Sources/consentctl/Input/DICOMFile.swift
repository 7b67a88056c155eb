import ConsentProto
import Foundation

/// DICOM headers as DICOM JSON Model (PS3.18 annex F); bulk data is left behind.
enum DICOMFile {
  /// Reads one DICOM file through dcm2json.
  static func read(
    _ path: String, patient: Consent_V1_PatientReference?, issuer: String?
  ) throws -> Consent_V1_ImageRegistration {
    guard FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure.data("cannot read \(path)")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // The absolute path: dcm2json knows no `--`, and a file may be called -x.
    process.arguments = ["dcm2json", URL(fileURLWithPath: path).path]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    switch process.terminationStatus {
    case 0: break
    case 127: throw CommandFailure.usage("dcm2json is missing: install the package dcmtk")
    default: throw CommandFailure.data("\(path) is not a DICOM file that dcm2json can read")
    }
    let images = try registrations(json: data, name: path, patient: patient, issuer: issuer)
    guard images.count == 1, let image = images.first else {
      throw CommandFailure.data("\(path): expected one data set, found \(images.count)")
    }
    return image
  }

  /// Reads a file that holds one data set or an array of them.
  static func readJSON(
    _ path: String, patient: Consent_V1_PatientReference?, issuer: String?
  ) throws -> [Consent_V1_ImageRegistration] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure.data("cannot read \(path)")
    }
    return try registrations(json: data, name: path, patient: patient, issuer: issuer)
  }

  static func registrations(
    json: Data, name: String, patient: Consent_V1_PatientReference?, issuer: String?
  ) throws -> [Consent_V1_ImageRegistration] {
    guard let tree = try? JSONSerialization.jsonObject(with: json) else {
      throw CommandFailure.data("\(name) is not JSON")
    }
    let datasets = (tree as? [Any] ?? [tree]).map { $0 as? [String: Any] }
    return try datasets.enumerated().map { index, dataset in
      guard let dataset else {
        throw CommandFailure.data("\(name): data set \(index + 1) is not a JSON object")
      }
      var registration = Consent_V1_ImageRegistration()
      let kept = header(dataset)
      registration.dicomJson = String(
        decoding: try JSONSerialization.data(withJSONObject: kept, options: [.sortedKeys]),
        as: UTF8.self)
      registration.patient = try patient ?? patientReference(kept, name: name, issuer: issuer)
      return registration
    }
  }

  /// Without pixels and other bulk data, which are nobody's business here, and without the
  /// demographics, which come with the patient's own registration.
  private static func header(_ dataset: [String: Any]) -> [String: Any] {
    dataset.filter { tag, value in
      guard let element = value as? [String: Any] else { return true }
      return element["InlineBinary"] == nil && element["BulkDataURI"] == nil
        && !["00100010", "00100030", "00101040"].contains(tag)
        && (element["vr"] as? String) != "SQ"
    }
  }

  /// Patient ID (0010,0020) with Issuer of Patient ID (0010,0021).
  private static func patientReference(
    _ dataset: [String: Any], name: String, issuer: String?
  ) throws -> Consent_V1_PatientReference {
    func text(_ tag: String) -> String? {
      let element = dataset[tag] as? [String: Any]
      let text = (element?["Value"] as? [Any])?.first as? String
      return text.flatMap { $0.isEmpty ? nil : $0 }
    }
    guard let value = text("00100020") else {
      throw CommandFailure.data("\(name) has no Patient ID (0010,0020); give --patient")
    }
    guard let system = text("00100021") ?? issuer else {
      throw CommandFailure.data(
        "\(name) does not say who issued its Patient ID; give --issuer, or --patient")
    }
    var reference = Consent_V1_PatientReference()
    reference.identifier.system = system
    reference.identifier.value = value
    return reference
  }
}
