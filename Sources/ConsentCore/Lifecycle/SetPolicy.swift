extension ChangeBuilder {
  /// A new policy version: refused below a legal floor or dated back, naming the switch.
  public func setPolicy(_ policy: Policy) throws(CommandRefusal) -> Change {
    var found = policy.belowFloor
    let latest = facts.policies.map(\.version).max() ?? 0
    if policy.version != latest + 1 {
      found.append(FieldViolation("policy.version", "must follow the latest version"))
    }
    if policy.effective < clock.now {
      found.append(
        FieldViolation("policy.effective", "a policy takes effect when recorded or later"))
    }
    if facts.policies.contains(where: {
      $0.effective > policy.effective && !errors.contains(.policy, $0.recordID)
    }) {
      found.append(
        FieldViolation("policy.effective", "a later version takes effect after the earlier ones"))
    }
    try refuse(found)
    return simpleChange(.policy(policy), .policyChanged, patient: nil)
  }
}

extension Policy {
  /// Switches below their legal floor or outside their range.
  public var belowFloor: [FieldViolation] {
    var found: [FieldViolation] = []
    func require(_ holds: Bool, _ field: String, _ description: String) {
      if !holds { found.append(FieldViolation("policy." + field, description)) }
    }
    require(
      (18...21).contains(majorityAge), "majority_age", "the age of majority is 18 to 21 years")
    require(
      (1...168).contains(emergencyReviewHours), "emergency_review_hours",
      "review an override within 1 to 168 hours")
    // 164.312(e)(1); an individual's own wish is recorded per patient (164.522(b)).
    let insecure: ClosedSet<Channel> = [.personalEmail, .personalMessaging, .socialMedia]
    for (channels, field) in [
      (treatmentChannels, "treatment_channels"),
      (internalEducationChannels, "internal_education_channels"),
      (externalEducationChannels, "external_education_channels"),
      (individualChannels, "individual_channels"),
    ] {
      require(
        channels.intersection(insecure).isEmpty, field,
        "personal e-mail, messaging and social media are closed for identifiable images")
    }
    // 164.514(d)(2): those who need it for the purpose.
    let neverTreating: ClosedSet<RoleClass> = [.billing, .itSupport]
    require(
      treatmentRoles.intersection(neverTreating).isEmpty, "treatment_roles",
      "billing and IT support do not treat")
    require(
      operationsRoles.intersection(neverTreating).isEmpty, "operations_roles",
      "billing and IT support do not teach")
    require(
      emergencyRoles.isSubset(of: treatmentRoles), "emergency_roles",
      "only roles that treat may attest an emergency")
    require(
      expiringSoonDays.count <= 8 && expiringSoonDays.allSatisfy { (1...366).contains($0) },
      "expiring_soon_days", "give at most 8 lead times of 1 to 366 days")
    require(
      (0...5 * .microsecondsPerMinute).contains(clockAllowanceMicroseconds),
      "clock_allowance", "allow for 0 to 5 minutes")
    require(
      operationsObligations.contains(.stripMetadata)
        || operationsObligations.contains(.removeBurnedInIdentifiers), "operations_obligations",
      "minimum necessary asks at least to remove identifiers (164.502(b))")
    require(
      businessAssociates.count <= 10_000, "business_associates", "list at most 10 000")
    require(
      personalEmailRequests.count <= 100_000, "personal_email_requests", "list at most 100 000")
    return found
  }
}
