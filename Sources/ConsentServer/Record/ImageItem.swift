import ConsentCore
import ConsentProto
import ConsentStore

/// One image of a request, read as far as that is possible without the register.
struct ImageItem: Sendable {
  /// The place in the request, from 0.
  var index: Int
  /// Whose it is said to be; `nil`: the request's, or unchanged.
  var patient: PatientName?
  /// Patient ID of a dataset, and its issuer.
  var statedID: String?
  var statedIssuer: String?
  /// `nil` if the item cannot be read; then `fault` says why.
  var image: ImageRecord?
  var fault: Fault?
  /// 0: not compared.
  var expectedVersion: UInt64 = 0
  /// Where its fields stand in the item: `fields` or `dicom_json`.
  var content: String

  /// The field at fault, and what to do about it.
  struct Fault: Sendable {
    var field: String
    var sentence: String
  }

  /// One image to register.
  init(
    registering value: Consent_V1_ImageRegistration, index: Int, calendar: LocalCalendar
  ) {
    self.index = index
    var reader = RequestReader()
    patient = reader.patient(value.hasPatient ? value.patient : nil, "patient")
    switch value.content {
    case nil:
      content = "fields"
      reader.refuse("fields", "is required: fields or dicom_json")
    case .fields(let fields)?:
      content = "fields"
      image = reader.imageRecord(
        fields, "fields", patient: .nobody, recordID: .random(), calendar: calendar)
    case .dicomJson(let json)?:
      content = "dicom_json"
      readDICOM(json, calendar)
    }
    note(reader)
  }

  /// One image to correct.
  init(
    correcting value: Consent_V1_ImageCorrection, index: Int, calendar: LocalCalendar
  ) {
    self.index = index
    content = "fields"
    expectedVersion = value.expectedVersion
    var reader = RequestReader()
    patient = reader.patient(value.hasPatient ? value.patient : nil, "patient")
    image = reader.imageRecord(
      value.fields, "fields", patient: .nobody, recordID: .random(), calendar: calendar)
    note(reader)
  }

  private mutating func readDICOM(_ json: String, _ calendar: LocalCalendar) {
    do {
      let read = try DICOMImage(json: json, recordID: .random(), calendar: calendar)
      image = read.record
      statedID = read.patientID
      statedIssuer = read.issuerOfPatientID
    } catch {
      fault = Fault(field: error.field, sentence: error.description)
    }
  }

  private mutating func note(_ reader: RequestReader) {
    guard fault == nil, let violation = reader.violations.first else { return }
    fault = Fault(field: violation.field, sentence: violation.description)
  }

  /// The patient of a dataset by its own statement, which counts only with the issuer.
  var statedPatient: Identifier? {
    guard let statedID, let statedIssuer else { return nil }
    return Identifier(system: statedIssuer, value: statedID)
  }
}

extension Consent_V1_ImageOutcome {
  /// - Parameter list: the request's field that the item stands in.
  init(
    _ item: ImageItem, _ outcome: Consent_V1_RegistrationOutcome, version: Int = 0,
    fault: ImageItem.Fault? = nil, in list: String
  ) {
    self.init()
    if let image = item.image { self.image = Consent_V1_ImageKey(image.key) }
    self.outcome = outcome
    self.version = UInt64(clamping: version)
    guard let fault else { return }
    field = "\(list)[\(item.index)].\(fault.field)"
    sentence = fault.sentence
  }
}

extension ImageRecord {
  /// The first thing that `other` states otherwise, by its field in `ImageFields`; `nil` if both
  /// state the same.
  func difference(from other: ImageRecord) -> String? {
    func differs<Value: Equatable>(_ path: KeyPath<ImageRecord, Value>) -> Bool {
      self[keyPath: path] != other[keyPath: path]
    }
    let fields: [(Bool, String)] = [
      (differs(\.patient), "patient"), (differs(\.kind), "kind"),
      (differs(\.studyUID), "study_instance_uid"), (differs(\.seriesUID), "series_instance_uid"),
      (differs(\.sopClassUID), "sop_class_uid"), (differs(\.modality), "modality"),
      (differs(\.bodyPart), "body_part"), (differs(\.laterality), "laterality"),
      (differs(\.acquired), "acquired_at"), (differs(\.acquiredDay), "acquired_on"),
      (differs(\.accession), "accession"), (differs(\.encounter), "encounter_id"),
      (differs(\.department), "department"), (differs(\.site), "site"),
      (differs(\.fhirReference), "fhir_ids"), (differs(\.sources), "sources"),
      (differs(\.claims), "claims"), (differs(\.part2), "part2"),
    ]
    return fields.first { $0.0 }?.1
  }

  /// What a caller without the Part 2 role sends back has no mark because it was shown none: that
  /// takes no mark away (42 CFR 2.13(c)(2)).
  func keepingMark(of current: ImageRecord, for caller: Principal) -> ImageRecord {
    guard !caller.limits.seesPart2, part2 == nil else { return self }
    var kept = self
    kept.part2 = current.part2
    return kept
  }
}
