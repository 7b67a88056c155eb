internal import ConsentCore

/// What decisions read of a plain image beside its key and days, the same for many images of a
/// circle.
///
/// An image is plain if it has one version, of the circle's only patient, and nothing else speaks
/// of it. What no decision reads is left out, and so are the UIDs of studies and series that no
/// paper of the circle names: they match no scope.
struct ImageForm: Hashable, Sendable {
  var kind: ImageKind
  var claims: IdentificationClaims
  var study: String?
  var series: String?

  func record(_ key: ImageKey, _ row: ImageTable.Row, of patient: PatientID) -> ImageRecord {
    ImageRecord(
      recordID: RecordID(high: 0, low: 0), key: key, patient: patient, kind: kind,
      studyUID: study, seriesUID: series, acquiredDay: row.acquiredDay, claims: claims,
      firstRecorded: row.firstRecorded)
  }
}

/// The studies and series that a circle's papers name.
struct NamedScopes {
  private var studies: Set<String> = []
  private var series: Set<String> = []

  init(_ papers: [Instrument]) {
    for paper in papers {
      for grant in paper.grants {
        switch grant.scope {
        case .study(let uid): studies.insert(uid)
        case .series(let uid): series.insert(uid)
        case .image, .patient: break
        }
      }
    }
  }

  func form(of image: ImageRecord) -> ImageForm {
    ImageForm(
      kind: image.kind, claims: image.claims,
      study: image.studyUID.flatMap { studies.contains($0) ? $0 : nil },
      series: image.seriesUID.flatMap { self.series.contains($0) ? $0 : nil })
  }
}

extension FactPart.Image {
  /// Its only version, if it is plain beside these facts.
  ///
  /// - Parameter patients: the circle.
  func plain(of patients: [PatientID], beside shared: Facts) -> ImageRecord? {
    guard versions.count == 1, patients.count == 1, versions[0].key == key,
      versions[0].patient == patients[0], versions[0].sources.isEmpty, versions[0].part2 == nil,
      sources.isEmpty, determinations.isEmpty, withdrawals.isEmpty, errors.isEmpty,
      shared.merges.isEmpty, !shared.enteredInError.contains(where: { $0.target.kind == .image })
    else { return nil }
    return versions[0]
  }
}
