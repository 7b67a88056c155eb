// Rung 2: the image itself has a de-identification determination in force (45 CFR 164.514(b)).
// This rung only permits; why a determination fails is said on rung 7.

extension Moment {
  func deidentified(_ question: Question) -> Verdict? {
    guard question.use != .research, !file.image.determinations.isEmpty,
      let image = file.lineage?.own
    else { return nil }
    let inForce = file.image.determinations.filter { failure(of: $0, image: image) == nil }
    guard let speaking = inForce.first else { return nil }
    return .permit(
      .notPHIDeidentified, records: [speaking.record(.basis, .notPHIDeidentified)])
  }

  /// Why the latest determination, or the image's own claim, does not make it de-identified;
  /// `nil` if nothing says that it is.
  func deidentificationFailure() -> (reason: Reason, record: DecidingRecord?)? {
    guard file.image.isSaidDeidentified, let image = file.lineage?.own else { return nil }
    if let speaking = file.image.determinations.first,
      let reason = failure(of: speaking, image: image)
    {
      return (reason, speaking.record(.failed, reason))
    }
    guard image.claims.identityRemoved == .yes else { return nil }
    let hasFace = image.claims.recognizableVisualFeatures == .yes
    return (hasFace ? .deidentificationFacialFeatures : .deidentificationUnproven, nil)
  }

  /// Claims of the object can contradict a determination; they cannot replace it.
  private func failure(of determination: Determination, image: ImageRecord) -> Reason? {
    let isEnded = determination.until.map { $0 <= at } ?? false
    if isEnded || isWithdrawn(determination) { return .deidentificationWithdrawn }
    if determination.noRecognizableFeatures == false
      || image.claims.recognizableVisualFeatures == .yes
    {
      return .deidentificationFacialFeatures
    }
    guard determination.identityRemoved == true, determination.noBurnedInText == true,
      determination.noRecognizableFeatures == true, determination.determined <= at,
      image.claims.identityRemoved != .no, image.claims.burnedInAnnotation != .yes,
      image.isDerivative
    else { return .deidentificationUnproven }
    return nil
  }

  private func isWithdrawn(_ determination: Determination) -> Bool {
    file.facts.determinationWithdrawals.contains {
      $0.determination == determination.id && $0.stamp.recorded <= at
        && !file.errors.contains(.determinationWithdrawal, $0.id)
    }
  }
}

extension ImageRecord {
  /// Made from something else: only such an image can be de-identified, never an original.
  var isDerivative: Bool { kind == .derivative || !sources.isEmpty }
}

extension Determination {
  func record(_ part: DecidingRecord.Part, _ reason: Reason) -> DecidingRecord {
    DecidingRecord(
      part: part, record: RecordReference(kind: .determination, id: id.retyped()), reason: reason)
  }
}
