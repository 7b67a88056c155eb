import ConsentCore

/// When lines stand, end and fail.
extension ReferenceRegister {
  /// "Revocation names grants, binds from recorded"; an oral one by policy; "what a minor lawfully
  /// signed alone a parent cannot revoke".
  func isRevoked(_ line: ReferenceLine) -> Bool {
    facts.revocations.contains { revocation in
      revocation.grants.contains(line.grant.id) && binds(revocation, line)
    }
  }

  func binds(_ revocation: Revocation, _ line: ReferenceLine) -> Bool {
    guard revocation.stamp.recorded <= at else { return false }
    if revocation.method == .oral, !policy.oralRevocationBinds { return false }
    if revocation.signer.capacity == .parent, line.instrument.signer.capacity.isMinorAlone {
      return false
    }
    // A revocation made while merged and not assigned restricts but permits nothing: it ends a
    // permit and leaves a deny standing.
    let owners = owners(
      of: revocation.id.retyped(), filedUnder: revocation.patient,
      position: revocation.stamp.position)
    return line.grant.effect == .permit || !owners.permits.isEmpty
  }

  private func happened(_ event: ID<ExpiryEvent>) -> Bool {
    facts.expiryEventResolutions.contains { $0.event == event && $0.counts <= at }
  }

  /// A deny "stands while effective, not revoked, not entered in error; defects never weaken it".
  func stands(_ line: ReferenceLine) -> Bool {
    guard line.grant.effectiveFrom <= at, !isRevoked(line) else { return false }
    switch line.grant.expiry {
    case .none: return true
    case .date(_, let until): return at < until
    case .event(let event): return !happened(event)
    case .majority:
      // Unknown age: the deny stands.
      guard let majority = majority(of: line.restricts) else { return true }
      return at < majority
    }
  }

  /// An agreed restriction also ends by the record of its end.
  func restrictionStands(_ line: ReferenceLine) -> Bool {
    stands(line)
      && !facts.restrictionEnds.contains {
        $0.instrument == line.instrument.id && $0.stamp.recorded <= at
      }
  }

  /// Why a permit line is not valid, in the order in which the codes are listed; `nil` = valid.
  func invalidity(_ line: ReferenceLine) -> Reason? {
    let instrument = line.instrument
    if facts.falseInformation.contains(where: {
      $0.instrument == instrument.id && $0.stamp.recorded <= at
    }) {
      return .authorizationFalseInformation
    }
    if isRevoked(line) { return .authorizationRevoked }
    if hasEndedByEvent(line) { return .authorizationExpiredEvent }
    if case .date(_, let until) = line.grant.expiry, at >= until {
      return .authorizationExpiredDate
    }
    return paperFault(line) ?? majorityReview(line)
      ?? (at < line.grant.effectiveFrom ? .notYetEffective : nil)
  }

  private func hasEndedByEvent(_ line: ReferenceLine) -> Bool {
    switch line.grant.expiry {
    case .event(let event): return happened(event)
    case .majority:
      // Unknown age never matches a permit.
      guard let majority = majority(of: line.restricts) else { return true }
      return at >= majority
    case .date, .none: return false
    }
  }

  /// Signer without authority, then missing elements, then compound, then conditioned.
  private func paperFault(_ line: ReferenceLine) -> Reason? {
    let instrument = line.instrument
    let part = line.grant.part
    let defects = instrument.defects.filter { $0.part == nil || $0.part == part }
    let elements = defects.map(\.element)
    if facts.authorityEvidence.contains(where: {
      $0.instrument == instrument.id && $0.finding == .showsNoAuthority
        && $0.stamp.recorded <= at
    }) || elements.contains(.signerAuthority) || signedAfterMajority(instrument, line.restricts) {
      return .signerNoAuthority
    }
    if elements.contains(where: { ![.compound, .conditioned, .signerAuthority].contains($0) }) {
      return .authorizationIncomplete
    }
    if elements.contains(.compound) || instrument.compoundParts.contains(part) {
      return .authorizationCompound
    }
    if elements.contains(.conditioned) || instrument.conditionedParts.contains(part) {
      return .authorizationConditioned
    }
    return nil
  }

  /// "Authority is judged at the signing date", and "from majority authority resting on minority
  /// ends". The organization of the random registers keeps UTC, so its days are UTC's.
  private func signedAfterMajority(_ instrument: Instrument, _ patients: Set<PatientID>) -> Bool {
    guard instrument.signer.capacity.restsOnMinority, let majority = majority(of: patients) else {
      return false
    }
    let signed = instrument.signedOrReceived
    let midnight = Int64(signed.day.daysSince1970) * .microsecondsPerDay
    return (signed.instant ?? Instant(microseconds: midnight)) >= majority
  }

  /// "A parent-signed grant with a later date answers MAJORITY_REVIEW_REQUIRED", by policy.
  private func majorityReview(_ line: ReferenceLine) -> Reason? {
    guard line.instrument.signer.capacity.restsOnMinority else { return nil }
    // Unknown age never matches a permit, review or not.
    guard let majority = majority(of: line.restricts) else { return .majorityReviewRequired }
    return policy.majorityReview && at >= majority ? .majorityReviewRequired : nil
  }

  // MARK: De-identification

  func isWithdrawn(_ determination: Determination) -> Bool {
    facts.determinationWithdrawals.contains {
      $0.determination == determination.id && $0.stamp.recorded <= at
    }
  }

  /// Why a determination is not in force; `nil` = it is. It never concerns an original, and DICOM
  /// flags may contradict it (absent contradicts nothing).
  func fault(of determination: Determination, on image: ImageRecord) -> Reason? {
    // One that has ended by its own "until" is no longer there either.
    if isWithdrawn(determination) || at >= (determination.until ?? .distantFuture) {
      return .deidentificationWithdrawn
    }
    if determination.noRecognizableFeatures == false
      || image.claims.recognizableVisualFeatures == .yes
    {
      return .deidentificationFacialFeatures
    }
    let proven =
      image.kind == .derivative
      && determination.identityRemoved == true && determination.noBurnedInText == true
      && determination.noRecognizableFeatures == true
      && image.claims.identityRemoved != .no && image.claims.burnedInAnnotation != .yes
      && determination.determined <= at
    return proven ? nil : .deidentificationUnproven
  }
}
