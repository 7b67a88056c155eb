// Rung 1: the request is complete, the image known, the patient the right one, and the caller may
// assert what it asserts.

extension Moment {
  /// - Returns: the DENY, or `nil` if the request stands.
  func requestFault() -> Verdict? {
    let missing = file.request.missingFields
    if let first = missing.first { return refused(first, further: Array(missing.dropFirst())) }
    if isPatientMismatch { return refused(.patientMismatch) }
    if !isAssertionAllowed { return refused(.assertionNotAllowed) }
    // In an emergency an unknown image passes if its patient is given: it is registered afterwards.
    if file.lineage == nil {
      var verdict = Verdict.deny(.imageUnknown)
      verdict.yieldsToEmergency = file.request.patient != nil
      return verdict
    }
    return nil
  }

  /// An attestation states that the need is urgent; it does not complete a request, find the right
  /// patient or widen what the calling system may assert.
  private func refused(_ reason: Reason, further: [Reason] = []) -> Verdict {
    var verdict = Verdict.deny(reason, further: further)
    verdict.yieldsToEmergency = false
    return verdict
  }

  private var isPatientMismatch: Bool {
    guard let stated = file.request.patient, let image = holders.first else { return false }
    return !image.contains { persons.areSame($0, stated) }
  }

  private var isAssertionAllowed: Bool {
    guard let question = file.question else { return false }
    return file.caller.uses.contains(question.use)
      && file.caller.audiences.contains(question.audience)
      && file.caller.channels.contains(question.channel)
  }
}

extension CheckRequest {
  /// What every check must state and this one does not, in order of precedence.
  public var missingFields: [Reason] {
    var missing: [Reason] = []
    if use == nil { missing.append(.purposeRequired) }
    if audience == nil { missing.append(.audienceRequired) }
    if channel == nil { missing.append(.channelRequired) }
    if actor == nil { missing.append(.actorRequired) }
    if audience?.needsRecipient ?? false, recipient == nil { missing.append(.recipientRequired) }
    return missing
  }
}
