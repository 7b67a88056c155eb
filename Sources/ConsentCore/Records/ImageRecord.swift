public enum ImageKind: UInt8, CaseIterable, Sendable, Codable {
  case dicomInstance = 1
  /// A photo of a screen or of a film.
  case photo = 2
  case scan = 3
  case derivative = 4
}

/// A DICOM YES/NO attribute as claimed by the object. Absent is not "no".
public enum Claim: UInt8, CaseIterable, Sendable, Codable {
  case absent = 1
  case yes = 2
  case no = 3
}

/// What the image says of its own identification: claims, never proof.
public struct IdentificationClaims: Hashable, Sendable, Codable {
  /// Patient Identity Removed (0012,0062).
  public var identityRemoved: Claim
  /// Burned In Annotation (0028,0301).
  public var burnedInAnnotation: Claim
  /// Recognizable Visual Features (0028,0302).
  public var recognizableVisualFeatures: Claim

  public init(
    identityRemoved: Claim = .absent, burnedInAnnotation: Claim = .absent,
    recognizableVisualFeatures: Claim = .absent
  ) {
    self.identityRemoved = identityRemoved
    self.burnedInAnnotation = burnedInAnnotation
    self.recognizableVisualFeatures = recognizableVisualFeatures
  }
}

/// Marks an image as a record of a substance use disorder program (42 CFR part 2).
public struct Part2Mark: Hashable, Sendable, Codable {
  public var programUnit: Identifier

  public init(programUnit: Identifier) { self.programUnit = programUnit }
}

/// One version of what is registered of an image; the version with the highest number speaks.
public struct ImageRecord: Hashable, Sendable, Codable {
  /// Identity of this version.
  public var recordID: RecordID
  public var key: ImageKey
  public var version: Int
  public var patient: PatientID
  public var kind: ImageKind
  /// Study Instance UID (0020,000D); always present for a DICOM instance.
  public var studyUID: String?
  /// Series Instance UID (0020,000E).
  public var seriesUID: String?
  /// SOP Class UID (0008,0016).
  public var sopClassUID: String?
  /// Modality (0008,0060), such as CR, DX, CT.
  public var modality: String?
  /// Body Part Examined (0018,0015).
  public var bodyPart: String?
  /// Laterality (0020,0060) or Image Laterality (0020,0062).
  public var laterality: String?
  /// The local day of acquisition; `nil` if unknown.
  public var acquiredDay: LocalDay?
  public var acquired: Instant?
  /// Accession Number (0008,0050) with issuer.
  public var accession: Identifier?
  public var encounter: String?
  public var department: String?
  public var site: String?
  public var fhirReference: String?
  public var claims: IdentificationClaims
  /// Absent = not marked.
  public var part2: Part2Mark?
  /// The images a derivative was made from; empty for anything else.
  public var sources: [ImageKey]
  public var stamp: Stamp
  /// When the image's first version was recorded: the fallback for "present" where the
  /// acquisition time is unknown.
  public var firstRecorded: Instant
  /// Why this version was recorded, in the recorder's words; no decision reads it.
  public var note: String?

  public init(
    recordID: RecordID, key: ImageKey, version: Int = 1, patient: PatientID, kind: ImageKind,
    studyUID: String? = nil,
    seriesUID: String? = nil, sopClassUID: String? = nil, modality: String? = nil,
    bodyPart: String? = nil, laterality: String? = nil, acquiredDay: LocalDay? = nil,
    acquired: Instant? = nil, accession: Identifier? = nil, encounter: String? = nil,
    department: String? = nil, site: String? = nil, fhirReference: String? = nil,
    claims: IdentificationClaims = .init(), part2: Part2Mark? = nil, sources: [ImageKey] = [],
    stamp: Stamp = .unstamped, firstRecorded: Instant = .distantPast,
    note: String? = nil
  ) {
    self.recordID = recordID
    self.key = key
    self.version = version
    self.patient = patient
    self.kind = kind
    self.studyUID = studyUID
    self.seriesUID = seriesUID
    self.sopClassUID = sopClassUID
    self.modality = modality
    self.bodyPart = bodyPart
    self.laterality = laterality
    self.acquiredDay = acquiredDay
    self.acquired = acquired
    self.accession = accession
    self.encounter = encounter
    self.department = department
    self.site = site
    self.fhirReference = fhirReference
    self.claims = claims
    self.part2 = part2
    self.sources = sources
    self.stamp = stamp
    self.firstRecorded = firstRecorded
    self.note = note
  }
}
