import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Sets the policy, as a new version: nothing below a legal floor, nothing dated back.
  ///
  /// Other years of majority are told to every patient's record in the same change, because
  /// decisions compare stored instants; so such a version takes effect at once or not at all.
  static func setPolicy(
    _ service: ConsentService, _ request: Consent_V1_SetPolicyRequest, by caller: Principal
  ) async throws -> Consent_V1_SetPolicyResponse {
    let recordID = RecordID.random()
    let asked = try RequestReader.read { reader -> Policy? in
      reader.conventions(request)
      let from = reader.instant(
        request.hasEffectiveFrom ? request.effectiveFrom : nil, "effective_from")
      return reader.policy(
        request.switches, "switches", recordID: recordID, version: 1,
        effective: from ?? .distantPast)
    }
    return try await service.record(request, by: caller) { recording in
      let facts = try recording.writer.organizationFacts(asOf: nil)
      let newest = facts.policies.map(\.version).max() ?? 0
      guard request.expectedVersion == UInt64(clamping: newest) else {
        throw ServiceError.aborted(
          "version \(newest) is the newest, not the one you name; read it and decide anew")
      }
      let current = facts.policy(at: recording.now)
      var policy = asked
      policy.version = newest + 1
      if !request.hasEffectiveFrom { policy.effective = recording.now }
      // The organization's own identifiers are its operator's to set and are no switch.
      policy.organizationIdentifiers = current.organizationIdentifiers
      try recording.requirePatients(policy.personalEmailRequests)
      let change = try CommandFields.named { [policy] in
        try recording.builder(facts).setPolicy(policy)
      }
      try recording.requireAtOnce(policy, differingFrom: current)
      try recording.writer.append(change)
      if policy.setsOtherMajority(than: current) { try recording.moveMajority(policy) }
      policy.stamp = Stamp(position: 0, recorded: recording.now, by: "")
      var response = Consent_V1_SetPolicyResponse()
      response.policy = Consent_V1_Policy(
        policy, timeZone: recording.writer.organization.timeZone)
      response.policy.recordedBy = Consent_V1_Identifier(recorder: recording.recorder)
      return response
    }
  }
}

extension Policy {
  fileprivate func setsOtherMajority(than other: Policy) -> Bool {
    majorityAge != other.majorityAge || leapDayOnFebruary28 != other.leapDayOnFebruary28
  }
}

extension Recording {
  fileprivate func requirePatients(_ patients: [PatientID]) throws {
    for (index, patient) in patients.enumerated() where try writer.identity(of: patient) == nil {
      throw ServiceError.invalid(
        "switches.personal_email_patient_ids[\(index)]", "is no patient of this organization")
    }
  }

  fileprivate func requireAtOnce(_ policy: Policy, differingFrom current: Policy) throws {
    guard policy.setsOtherMajority(than: current), policy.effective > now else { return }
    throw ServiceError.invalid(
      "effective_from",
      "must be left out where majority_age_years or leap_day_on_february_28 change")
  }

  /// A new version of every patient whose majority is another under the policy.
  fileprivate func moveMajority(_ policy: Policy) throws {
    var last: PatientID?
    while true {
      let page = try writer.patients(after: last, limit: 100)
      guard let end = page.last else { return }
      let facts = try writer.facts(patients: page, asOf: nil)
      let standing = Standing(facts)
      var change = Change()
      for id in page {
        guard let current = standing.patient(id), let identity = try writer.identity(of: id)
        else { continue }
        let majority = calendar.majority(born: identity.birthDate, policy: policy)
        guard majority?.instant != current.majority else { continue }
        let newest = facts.patients.filter { $0.id == id }.map(\.version).max() ?? current.version
        let record = PatientRecord(
          recordID: .random(), id: id, version: newest + 1, majority: majority?.instant,
          timeZoneDataVersion: calendar.dataVersion, majorityDay: majority?.day)
        change.append(try builder(facts).updatePatient(record))
        try writer.put(identity: identity, of: id, record: record.recordID)
      }
      if !change.events.isEmpty { try writer.append(change) }
      last = end
    }
  }
}
