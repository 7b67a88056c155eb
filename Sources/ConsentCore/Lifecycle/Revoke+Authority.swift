// Who may revoke what (45 CFR 164.502(g), 164.508(b)(5)).

extension ChangeBuilder {
  func requireMayRevoke(
    _ revocation: Revocation, _ paper: Instrument, _ grant: Grant
  ) throws(CommandRefusal) {
    let signer = revocation.signer
    let patient = facts.currentPatient(paper.patient, errors: errors)
    if signer.capacity.isIndividual {
      if signer.capacity == .individual, !paper.signer.capacity.isIndividual,
        let majority = patient?.majority, clock.now < majority
      {
        throw .notAllowed(
          rule: "164.502(g)(3)", description: "a minor's papers are revoked by the one who signed")
      }
      return
    }
    try requireAuthority(signer, signed: revocation.signed, patient: patient, grant: grant)
    if paper.signer.capacity.isMinorAlone, signer.capacity.restsOnMinority {
      throw .notAllowed(
        rule: "164.502(g)(3)(i)",
        description: "what a minor lawfully signed alone a parent cannot revoke")
    }
    // Taking back a deny opens access: only the one who denied may, or the individual.
    let isOwn = signer.identity != nil && signer.identity == paper.signer.identity
    if grant.effect == .deny, paper.signer.capacity.isIndividual || !isOwn {
      throw .notAllowed(
        rule: "164.502(g)", description: "a refusal is taken back by the one who refused")
    }
  }

  private func requireAuthority(
    _ signer: Signer, signed: SignedTime, patient: PatientRecord?, grant: Grant
  ) throws(CommandRefusal) {
    if signer.capacity == .financialPowerOfAttorney {
      throw .notAllowed(
        rule: "164.502(g)(2)",
        description: "a financial power of attorney is no health-care authority")
    }
    if isBlank(signer.authorityDescription) {
      throw .invalid([
        FieldViolation(
          "revocation.signer.authority_description", "describe the representative's authority")
      ])
    }
    let begun = signer.authorityFrom.map { $0 <= signed.day } ?? true
    let lasting = signer.authorityUntil.map { signed.day < $0 } ?? true
    let reaches = signer.authorityUses.map { grant.uses.isSubset(of: $0) } ?? true
    if !begun || !lasting || !reaches {
      throw .notAllowed(
        rule: "164.502(g)(1)", description: "the authority does not reach this day or use")
    }
    // An unknown birth date counts for the revocation: it only closes.
    if signer.capacity.restsOnMinority, let majority = patient?.majority, clock.now >= majority {
      throw .notAllowed(
        rule: "164.502(g)(3)", description: "the individual has come of age and revokes alone")
    }
  }
}
