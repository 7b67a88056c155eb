import ConsentCore
import ConsentProto
import Foundation
import SwiftProtobuf

extension RequestReader {
  mutating func imageKey(
    _ value: Consent_V1_ImageKey?, _ field: StaticString, _ presence: Presence = .optional
  ) -> ImageKey? {
    guard let key = value?.key else {
      if presence == .required || value != nil {
        refuse(field, "is required: a sop_instance_uid, or the sha256 of a picture")
      }
      return nil
    }
    return within(field) { $0.imageKey(key) }
  }

  mutating func imageKeys(
    _ values: [Consent_V1_ImageKey], _ field: StaticString, atMost limit: Int = 1_000
  ) -> [ImageKey] {
    each(values, field, atMost: limit) { reader, value in
      guard let key = value.key else {
        reader.refuse("is empty: give a sop_instance_uid or a sha256")
        return nil
      }
      return reader.imageKey(key)
    }
  }

  private mutating func imageKey(_ key: Consent_V1_ImageKey.OneOf_Key) -> ImageKey? {
    switch key {
    case .sopInstanceUid(let uid):
      let key = ImageKey(sopInstanceUID: uid)
      if key == nil { refuse("sop_instance_uid", "is not a DICOM UID (PS3.5 section 9.1)") }
      return key
    case .sha256(let bytes):
      let key = ImageKey(sha256: bytes)
      if key == nil { refuse("sha256", "is not 32 bytes") }
      return key
    }
  }

  /// One version of an image. `version`, `stamp` and `firstRecorded` are its recorder's to set.
  mutating func imageRecord(
    _ value: Consent_V1_ImageFields, _ field: StaticString, patient: PatientID,
    recordID: RecordID, calendar: LocalCalendar
  ) -> ImageRecord? {
    within(field) { reader in
      let key = reader.imageKey(value.hasKey ? value.key : nil, "key", .required)
      let kind = reader.imageKind(value, key: key)
      let sources = reader.sources(value, kind: kind, key: key)
      let (acquired, acquiredDay) = reader.acquisition(value, calendar)
      let claims = reader.claims(value.claims)
      let part2 = reader.part2Mark(value.hasPart2 ? value.part2 : nil)
      if kind == .dicomInstance, value.studyInstanceUid.isEmpty {
        reader.refuse("study_instance_uid", "is required for a DICOM instance")
      }
      guard let key, let kind else { return nil }
      var image = ImageRecord(recordID: recordID, key: key, patient: patient, kind: kind)
      image.studyUID = reader.uid(
        value.hasStudyInstanceUid ? value.studyInstanceUid : nil, "study_instance_uid")
      image.seriesUID = reader.uid(
        value.hasSeriesInstanceUid ? value.seriesInstanceUid : nil, "series_instance_uid")
      image.sopClassUID = reader.uid(
        value.hasSopClassUid ? value.sopClassUid : nil, "sop_class_uid")
      image.modality = reader.text(value.hasModality ? value.modality : nil, "modality")
      image.bodyPart = reader.text(value.hasBodyPart ? value.bodyPart : nil, "body_part")
      image.laterality = reader.laterality(value.laterality)
      image.acquired = acquired
      image.acquiredDay = acquiredDay
      image.accession = reader.identifier(value.hasAccession ? value.accession : nil, "accession")
      image.encounter = reader.text(value.hasEncounterID ? value.encounterID : nil, "encounter_id")
      image.department = reader.text(value.hasDepartment ? value.department : nil, "department")
      image.site = reader.text(value.hasSite ? value.site : nil, "site")
      image.fhirReference = reader.fhirReference(value.fhirIds)
      image.claims = claims
      image.part2 = part2
      image.sources = sources
      return image
    }
  }

  private mutating func imageKind(
    _ value: Consent_V1_ImageFields, key: ImageKey?
  ) -> ImageKind? {
    if let kind = word(value.kind, "kind", .optional, as: ImageKind.self) { return kind }
    guard value.kind == .unspecified, let key else { return nil }
    if case .sopInstance = key { return .dicomInstance }
    refuse("kind", "is required for a picture that is no DICOM instance")
    return nil
  }

  private mutating func sources(
    _ value: Consent_V1_ImageFields, kind: ImageKind?, key: ImageKey?
  ) -> [ImageKey] {
    let sources = imageKeys(value.sources, "sources", atMost: 64)
    if kind == .derivative, value.sources.isEmpty {
      refuse("sources", "is required for a derivative: the images it was made from")
    }
    if let kind, kind != .derivative, !value.sources.isEmpty {
      refuse("sources", "belongs to a derivative only; set kind to IMAGE_KIND_DERIVATIVE")
    }
    if let key, sources.contains(key) { refuse("sources", "names the image itself") }
    return sources
  }

  private mutating func acquisition(
    _ value: Consent_V1_ImageFields, _ calendar: LocalCalendar
  ) -> (Instant?, LocalDay?) {
    switch value.acquisition {
    case nil: return (nil, nil)
    case .acquiredAt(let stamp)?:
      let instant = instant(stamp, "acquired_at")
      return (instant, instant.map(calendar.day(of:)))
    case .acquiredOn(let day)?: return (nil, localDay(day, "acquired_on"))
    }
  }

  private mutating func claims(_ value: Consent_V1_IdentificationClaims) -> IdentificationClaims {
    within("claims") { reader in
      IdentificationClaims(
        identityRemoved: reader.claim(value.patientIdentityRemoved, "patient_identity_removed"),
        burnedInAnnotation: reader.claim(value.burnedInAnnotation, "burned_in_annotation"),
        recognizableVisualFeatures: reader.claim(
          value.recognizableVisualFeatures, "recognizable_visual_features"))
    }
  }

  private mutating func part2Mark(_ value: Consent_V1_Part2Mark?) -> Part2Mark? {
    guard let value else { return nil }
    return within("part2") { reader in
      reader.identifier(value.hasProgramUnit ? value.programUnit : nil, "program_unit", .required)
        .map(Part2Mark.init)
    }
  }

  private mutating func laterality(_ value: Consent_V1_Laterality) -> String? {
    switch value {
    case .unspecified: return nil
    case .right: return "R"
    case .left: return "L"
    case .both: return "B"
    case .unpaired: return "U"
    case .UNRECOGNIZED:
      refuse("laterality", "is not a value that this version knows")
      return nil
    }
  }

  /// The register keeps one FHIR reference of an image.
  private mutating func fhirReference(_ values: [String]) -> String? {
    guard values.count <= 1 else {
      refuse("fhir_ids", "holds more than one reference; this version keeps one of an image")
      return nil
    }
    return text(values.first, "fhir_ids")
  }

  mutating func determination(
    _ value: Consent_V1_DeidentificationFields, _ field: StaticString, id: ID<Determination>,
    calendar: LocalCalendar
  ) -> Determination? {
    within(field) { reader in
      let image = reader.imageKey(value.hasImage ? value.image : nil, "image", .required)
      let method = reader.word(
        value.method, "method", .required, as: DeidentificationMethod.self)
      let by = reader.text(value.determinedBy, "determined_by", .required)
      let determined = reader.signedTime(
        value.hasDetermined ? value.determined : nil, "determined", .required, calendar: calendar)
      let through = reader.localDay(
        value.hasValidThrough ? value.validThrough : nil, "valid_through")
      let identity = reader.stated(value.identityRemoved, "identity_removed")
      let text = reader.stated(value.noBurnedInText, "no_burned_in_text")
      let features = reader.stated(value.noRecognizableFeatures, "no_recognizable_features")
      if !value.documentIds.isEmpty {
        reader.refuse("document_ids", "cannot be kept with a determination by this version")
      }
      guard let image, let method, let by, let determined else { return nil }
      return Determination(
        id: id, image: image, method: method, by: by,
        determined: determined.instant ?? calendar.start(of: determined.day),
        until: through.map(calendar.end(of:)), identityRemoved: identity, noBurnedInText: text,
        noRecognizableFeatures: features)
    }
  }
}

extension Consent_V1_ImageKey {
  init(_ key: ImageKey) {
    self.init()
    switch key {
    case .sopInstance(let uid): sopInstanceUid = uid
    case .sha256(let hexadecimal): sha256 = Data(bytes(hexadecimal: hexadecimal) ?? [])
    }
  }
}

extension Consent_V1_ImageFields {
  /// - Parameter seesPart2: without it the Part 2 mark is left out (42 CFR 2.13(c)(2)).
  init(_ image: ImageRecord, seesPart2: Bool) {
    self.init()
    key = Consent_V1_ImageKey(image.key)
    kind = image.kind.proto()
    if let uid = image.studyUID { studyInstanceUid = uid }
    if let uid = image.seriesUID { seriesInstanceUid = uid }
    if let uid = image.sopClassUID { sopClassUid = uid }
    if let modality = image.modality { self.modality = modality }
    if let bodyPart = image.bodyPart { self.bodyPart = bodyPart }
    laterality = Consent_V1_Laterality(image.laterality)
    if let acquired = image.acquired {
      acquiredAt = Google_Protobuf_Timestamp(acquired)
    } else if let day = image.acquiredDay {
      acquiredOn = Consent_V1_LocalDay(day)
    }
    if let accession = image.accession { self.accession = Consent_V1_Identifier(accession) }
    if let encounter = image.encounter { encounterID = encounter }
    if let department = image.department { self.department = department }
    if let site = image.site { self.site = site }
    fhirIds = image.fhirReference.map { [$0] } ?? []
    sources = image.sources.map(Consent_V1_ImageKey.init)
    if image.claims != IdentificationClaims() {
      claims = Consent_V1_IdentificationClaims(image.claims)
    }
    if seesPart2, let mark = image.part2 {
      part2.programUnit = Consent_V1_Identifier(mark.programUnit)
    }
  }
}

extension Consent_V1_IdentificationClaims {
  init(_ claims: IdentificationClaims) {
    self.init()
    patientIdentityRemoved = Consent_V1_Stated(claims.identityRemoved)
    burnedInAnnotation = Consent_V1_Stated(claims.burnedInAnnotation)
    recognizableVisualFeatures = Consent_V1_Stated(claims.recognizableVisualFeatures)
  }
}

extension Consent_V1_Laterality {
  init(_ code: String?) {
    self =
      switch code {
      case "R": .right
      case "L": .left
      case "B": .both
      case "U": .unpaired
      default: .unspecified
      }
  }
}

extension Consent_V1_Image {
  /// `identification` and `determinationID` are the caller's to set: they depend on determinations.
  init(_ image: ImageRecord, seesPart2: Bool) {
    self.init()
    fields = Consent_V1_ImageFields(image, seesPart2: seesPart2)
    patientID = image.patient.description
    version = UInt64(clamping: image.version)
    if let first = Google_Protobuf_Timestamp(finite: image.firstRecorded) { registeredAt = first }
    recordedAt = Google_Protobuf_Timestamp(image.stamp.recorded)
  }
}
