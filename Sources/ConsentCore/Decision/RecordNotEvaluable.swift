// Between rungs 1 and 2: a stored record of the patient that cannot be read denies its use, or if
// that is unreadable every use. It might be a refusal; it never vanishes.

extension Moment {
  func unevaluableRecord(_ question: Question) -> Verdict? {
    let speaking = file.image.unevaluable.filter { record in
      guard record.use == nil || record.use == question.use else { return false }
      let possible = persons.holders(
        record: record.reference.id, patient: record.patient, stamp: record.stamp)
      return holders.joined().contains { image in
        possible.contains { ownMemberOnly ? $0 == image : persons.areSame($0, image) }
      }
    }
    guard !speaking.isEmpty else { return nil }
    let records =
      speaking
      .map { DecidingRecord(part: .denies, record: $0.reference, reason: .recordNotEvaluable) }
      .sorted { $0.record.id < $1.record.id }
    return .deny(.recordNotEvaluable, records: records)
  }
}
