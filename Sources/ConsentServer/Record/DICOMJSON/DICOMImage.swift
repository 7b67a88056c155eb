import ConsentCore

/// An image as a dataset of the DICOM JSON Model states it; whose it is, is still to be put in.
///
/// The UIDs that decide what a grant or a deny reaches must be readable: SOP instance and study
/// are required, and a malformed series is refused, because a deny on the series would else be
/// lost. Every other attribute that cannot be read is left out, as unknown: headers of real
/// devices are full of them, and none of them opens anything.
///
/// The kind is always a DICOM instance. Image Type (0008,0008) DERIVED tells of processing, such as
/// a reformatted series, and names no source in the register; a derivative of this service names
/// its sources and is stated as such, field by field.
struct DICOMImage {
  /// The first thing that is wrong, by field: `dicom_json` or `dicom_json (0008,0018)`.
  struct Fault: Error {
    var field: String
    var description: String
  }

  var record: ImageRecord
  /// Patient ID (0010,0020) and Issuer of Patient ID (0010,0021), if the dataset has them.
  var patientID: String?
  var issuerOfPatientID: String?

  init(json: String, recordID: RecordID, calendar: LocalCalendar) throws(Fault) {
    let dataset: DICOMDataset
    do {
      dataset = try DICOMDataset(json: json)
    } catch {
      throw Fault(field: "dicom_json", description: error.description)
    }
    let instance = try DICOMImage.uid(dataset, .sopInstanceUID)
    guard let instance, let key = ImageKey(sopInstanceUID: instance) else {
      throw .missing(.sopInstanceUID)
    }
    guard let study = try DICOMImage.uid(dataset, .studyInstanceUID) else {
      throw .missing(.studyInstanceUID)
    }
    record = ImageRecord(recordID: recordID, key: key, patient: .nobody, kind: .dicomInstance)
    record.studyUID = study
    record.seriesUID = try DICOMImage.uid(dataset, .seriesInstanceUID)
    record.sopClassUID = dataset.text(.sopClassUID).flatMap { isDICOMUID($0) ? $0 : nil }
    record.modality = DICOMImage.readable(dataset.text(.modality))
    record.bodyPart = DICOMImage.readable(dataset.text(.bodyPartExamined))
    record.laterality = dataset.side
    (record.acquired, record.acquiredDay) = dataset.acquisition(calendar)
    record.accession = DICOMImage.accession(dataset)
    record.claims = IdentificationClaims(
      identityRemoved: dataset.claim(.patientIdentityRemoved),
      burnedInAnnotation: dataset.claim(.burnedInAnnotation),
      recognizableVisualFeatures: dataset.claim(.recognizableVisualFeatures))
    patientID = DICOMImage.readable(dataset.text(.patientID))
    issuerOfPatientID = DICOMImage.readable(dataset.text(.issuerOfPatientID))
  }

  /// `nil` if the dataset has none.
  private static func uid(
    _ dataset: DICOMDataset, _ tag: DICOMDataset.Tag
  ) throws(Fault) -> String? {
    guard dataset.has(tag) else { return nil }
    guard let uid = dataset.text(tag), isDICOMUID(uid) else {
      throw Fault(
        field: "dicom_json " + tag.name, description: "is not a DICOM UID (PS3.5 section 9.1)")
    }
    return uid
  }

  /// Text as the fields of a request may hold it; what they may not is left out.
  private static func readable(_ text: String?) -> String? {
    var reader = RequestReader()
    return reader.text(text, "dicom_json")
  }

  private static func accession(_ dataset: DICOMDataset) -> Identifier? {
    guard let number = readable(dataset.text(.accessionNumber)) else { return nil }
    let issuer = dataset.item(.issuerOfAccessionNumber)
    let system =
      readable(issuer?.text(.universalEntityID)) ?? readable(issuer?.text(.localNamespaceEntityID))
    return Identifier(system: system ?? Identifier.issuerNotStated, value: number)
  }
}

extension DICOMImage.Fault {
  fileprivate static func missing(_ tag: DICOMDataset.Tag) -> Self {
    Self(field: "dicom_json " + tag.name, description: "is required")
  }
}

extension Identifier {
  /// The system of an accession number that a header states without its issuer.
  static let issuerNotStated = "urn:dicom:issuer-not-stated"
}

extension DICOMDataset {
  /// YES and NO are claims; anything else is absent, and absent is not "no".
  fileprivate func claim(_ tag: Tag) -> Claim {
    switch text(tag) {
    case "YES": .yes
    case "NO": .no
    default: .absent
    }
  }

  fileprivate var side: String? {
    (text(.imageLaterality) ?? text(.laterality)).flatMap {
      ["R", "L", "B", "U"].contains($0) ? $0 : nil
    }
  }
}
