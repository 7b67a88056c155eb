extension ChangeBuilder {
  /// Records a determination under 45 CFR 164.514(b), complete or not. Its event names neither the
  /// patient nor a source.
  public func recordDeidentification(
    _ determination: Determination
  ) throws(CommandRefusal) -> Change {
    guard let image = known.currentImage(determination.image) else {
      throw .invalid([FieldViolation("determination.image", "register the image first")])
    }
    var found: [FieldViolation] = []
    if !image.isDerivative {
      found.append(
        FieldViolation("determination.image", "register the de-identified copy and determine that"))
    }
    if isBlank(determination.by) {
      found.append(FieldViolation("determination.by", "say who determined it"))
    }
    if determination.determined > clock.now {
      found.append(FieldViolation("determination.determined", "cannot be in the future"))
    }
    if let until = determination.until, until <= determination.determined {
      found.append(FieldViolation("determination.until", "ends after it begins"))
    }
    try refuse(found)
    return simpleChange(
      .determination(determination), .deidentificationDetermined, patient: nil,
      images: [determination.image])
  }

  public func withdrawDeidentification(
    _ withdrawal: DeterminationWithdrawal
  ) throws(CommandRefusal) -> Change {
    let id = withdrawal.determination
    guard let determination = facts.determinations.first(where: { $0.id == id }),
      !errors.contains(.determination, id)
    else { throw .unknownRecord(RecordReference(kind: .determination, id: id.retyped())) }
    let isWithdrawn = facts.determinationWithdrawals.contains {
      $0.determination == id && !errors.contains(.determinationWithdrawal, $0.id)
    }
    if isWithdrawn {
      throw .notAllowed(rule: "164.514(b)", description: "the determination is withdrawn already")
    }
    return simpleChange(
      .determinationWithdrawal(withdrawal), .deidentificationWithdrawn, patient: nil,
      images: [determination.image])
  }
}
