import ConsentCore

extension Facts {
  /// All records, whatever their order.
  var records: Set<Record> {
    let lists: [[Record]] = [
      policies.map(Record.policy), patients.map(Record.patient), merges.map(Record.merge),
      unmerges.map(Record.unmerge), images.map(Record.image), forms.map(Record.form),
      instruments.map(Record.instrument), revocations.map(Record.revocation),
      enteredInError.map(Record.enteredInError), falseInformation.map(Record.falseInformation),
      authorityEvidence.map(Record.authorityEvidence),
      restrictionEnds.map(Record.restrictionEnd), expiryEvents.map(Record.expiryEvent),
      expiryEventResolutions.map(Record.expiryEventResolution),
      determinations.map(Record.determination),
      determinationWithdrawals.map(Record.determinationWithdrawal),
    ]
    return Set(lists.joined())
  }
}
