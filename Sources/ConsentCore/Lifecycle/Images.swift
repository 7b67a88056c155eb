extension ChangeBuilder {
  /// Registers one image. Its sources must be registered: what an unknown one carries is unknown.
  public func registerImage(_ image: ImageRecord) throws(CommandRefusal) -> Change {
    if known.imageVersions(image.key) != nil {
      throw .notAllowed(rule: "records", description: "the image is registered already")
    }
    if image.version != 1 {
      throw .invalid([FieldViolation("image.version", "begin with version 1")])
    }
    return try imageChange(image, .imageRegistered, firstRecorded: clock.now)
  }

  /// A new version, such as a film found to be another patient's. Its first recording stays.
  public func correctImage(_ image: ImageRecord) throws(CommandRefusal) -> Change {
    guard let versions = known.imageVersions(image.key) else {
      throw .invalid([FieldViolation("image.key", "register the image first")])
    }
    if image.version != versions.latest + 1 {
      throw .invalid([FieldViolation("image.version", "must follow the latest version")])
    }
    return try imageChange(image, .imageCorrected, firstRecorded: versions.firstRecorded)
  }

  private func imageChange(
    _ image: ImageRecord, _ kind: EventKind, firstRecorded: Instant
  ) throws(CommandRefusal) -> Change {
    try requirePatient(image.patient, field: "image.patient")
    try refuse(violations(of: image))
    var recorded = image
    recorded.firstRecorded = firstRecorded
    // A de-identified image is told of without its patient.
    let isDetermined = facts.determinations.contains { $0.image == image.key }
    return simpleChange(
      .image(recorded), kind, patient: isDetermined ? nil : image.patient, images: [image.key])
  }

  private func violations(of image: ImageRecord) -> [FieldViolation] {
    var found: [FieldViolation] = []
    for (uid, field) in [
      (image.studyUID, "study_uid"), (image.seriesUID, "series_uid"),
      (image.sopClassUID, "sop_class_uid"),
    ] {
      if let uid, !isDICOMUID(uid) {
        found.append(FieldViolation("image." + field, "give a DICOM UID"))
      }
    }
    if image.kind == .dicomInstance {
      if image.studyUID == nil {
        found.append(FieldViolation("image.study_uid", "a DICOM instance belongs to a study"))
      }
      if case .sha256 = image.key {
        found.append(FieldViolation("image.key", "a DICOM instance has a SOP Instance UID"))
      }
    }
    if image.kind != .derivative, !image.sources.isEmpty {
      found.append(FieldViolation("image.sources", "only a derivative has sources"))
    }
    if let day = image.acquiredDay, day > clock.today {
      found.append(FieldViolation("image.acquired", "cannot be in the future"))
    }
    for (index, source) in image.sources.enumerated() {
      let field = "image.sources[\(index)]"
      if source == image.key {
        found.append(FieldViolation(field, "an image is not its own source"))
      } else if let lineage = Lineage(of: source, in: known) {
        if lineage.images.contains(where: { $0.key == image.key }) {
          found.append(FieldViolation(field, "a source is not made from its derivative"))
        }
      } else {
        found.append(FieldViolation(field, "register the source first"))
      }
    }
    return found
  }

  /// An approved text never changes under its version.
  public func putForm(_ form: Form) throws(CommandRefusal) -> Change {
    if isBlank(form.reference.id) || isBlank(form.reference.version) {
      throw .invalid([FieldViolation("form.reference", "give an id and a version")])
    }
    if self.form(form.reference) != nil {
      throw .notAllowed(rule: "records", description: "register the changed text as a new version")
    }
    return simpleChange(.form(form), .formRegistered, patient: nil)
  }
}
