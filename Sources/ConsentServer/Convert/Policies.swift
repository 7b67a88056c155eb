import ConsentCore
import ConsentProto
import SwiftProtobuf

extension RequestReader {
  /// The switches on top of the defaults. Floors are the policy validation's to hold.
  mutating func policy(
    _ value: Consent_V1_PolicySwitches, _ field: StaticString, recordID: RecordID, version: Int,
    effective: Instant
  ) -> Policy {
    var policy = Policy(recordID: recordID, version: version, effective: effective)
    within(field) { reader in
      reader.readSwitches(value, into: &policy)
      reader.readSets(value, into: &policy)
      reader.readNumbers(value, into: &policy)
      policy.businessAssociates = reader.identifiers(
        value.businessAssociates, "business_associates", atMost: 10_000)
      policy.personalEmailRequests = reader.each(
        value.personalEmailPatientIds, "personal_email_patient_ids", atMost: 10_000
      ) { $0.elementID($1, of: Patient.self) }
      if !value.assertions.isEmpty {
        reader.refuse(
          "assertions",
          "is not kept in the policy by this version; limit a system in the token file")
      }
    }
    return policy
  }

  private func readSwitches(_ value: Consent_V1_PolicySwitches, into policy: inout Policy) {
    if value.hasEducationOwnWorkforceAsOperations {
      policy.educationOwnWorkforceAsOperations = value.educationOwnWorkforceAsOperations
    }
    if value.hasEducationTraineesAsOperations {
      policy.educationTraineesAsOperations = value.educationTraineesAsOperations
    }
    if value.hasEducationTreatingProviderAsOperations {
      policy.educationTreatingProviderAsOperations = value.educationTreatingProviderAsOperations
    }
    if value.hasTreatmentNeedsConsent { policy.treatmentNeedsConsent = value.treatmentNeedsConsent }
    if value.hasLeapDayOnFebruary28 { policy.leapDayOnFebruary28 = value.leapDayOnFebruary28 }
    if value.hasMajorityReview { policy.majorityReview = value.majorityReview }
    if value.hasOralRevocationBinds { policy.oralRevocationBinds = value.oralRevocationBinds }
  }

  private mutating func readSets(
    _ value: Consent_V1_PolicySwitches, into policy: inout Policy
  ) {
    if value.hasTreatmentRoles {
      policy.treatmentRoles = roles(value.treatmentRoles, "treatment_roles")
    }
    if value.hasOperationsRoles {
      policy.operationsRoles = roles(value.operationsRoles, "operations_roles")
    }
    if value.hasEmergencyRoles {
      policy.emergencyRoles = roles(value.emergencyRoles, "emergency_roles")
    }
    if value.hasTreatmentChannels {
      policy.treatmentChannels = channels(value.treatmentChannels, "treatment_channels")
    }
    if value.hasInternalEducationChannels {
      policy.internalEducationChannels = channels(
        value.internalEducationChannels, "internal_education_channels")
    }
    if value.hasExternalEducationChannels {
      policy.externalEducationChannels = channels(
        value.externalEducationChannels, "external_education_channels")
    }
    if value.hasIndividualChannels {
      policy.individualChannels = channels(value.individualChannels, "individual_channels")
    }
    if value.hasConsentElements {
      policy.consentElements = within("consent_elements") {
        $0.set(value.consentElements.elements, "elements", as: DefectElement.self)
      }
    }
    if value.hasOperationsObligations {
      policy.operationsObligations = within("operations_obligations") { reader in
        reader.each(value.operationsObligations.obligations, "obligations", atMost: 16) {
          reader, kind in
          let obligation = Obligation(kind)
          if obligation == nil { reader.refuse("is not an obligation that a policy can set") }
          return obligation
        }
      }
    }
  }

  private mutating func roles(
    _ value: Consent_V1_RoleClasses, _ field: StaticString
  ) -> ClosedSet<RoleClass> {
    within(field) { $0.set(value.roleClasses, "role_classes") }
  }

  private mutating func channels(
    _ value: Consent_V1_Channels, _ field: StaticString
  ) -> ClosedSet<Channel> {
    within(field) { $0.set(value.channels, "channels") }
  }

  private mutating func readNumbers(
    _ value: Consent_V1_PolicySwitches, into policy: inout Policy
  ) {
    if value.hasMajorityAgeYears {
      policy.majorityAge = number(value.majorityAgeYears, "majority_age_years", in: 18...21)
    }
    if value.hasEmergencyReviewHours {
      policy.emergencyReviewHours = number(
        value.emergencyReviewHours, "emergency_review_hours", in: 1...720)
    }
    if value.hasExpiringSoon {
      policy.expiringSoonDays = within("expiring_soon") { reader in
        reader.each(value.expiringSoon.days, "days", atMost: 16) { reader, days in
          guard (1...366).contains(days) else {
            reader.refuse("is not 1 to 366")
            return nil
          }
          return Int(days)
        }
      }
    }
    if value.hasClockAllowance {
      policy.clockAllowanceMicroseconds =
        duration(value.clockAllowance, "clock_allowance", secondsAtMost: 3_600) ?? 0
    }
  }

  mutating func number(
    _ value: UInt32, _ field: StaticString, in range: ClosedRange<UInt32>
  ) -> Int {
    if !range.contains(value) {
      refuse(field, "is not \(range.lowerBound) to \(range.upperBound)")
    }
    return Int(value)
  }
}

extension Consent_V1_PolicySwitches {
  /// Every switch, defaults filled in.
  init(_ policy: Policy) {
    self.init()
    educationOwnWorkforceAsOperations = policy.educationOwnWorkforceAsOperations
    educationTraineesAsOperations = policy.educationTraineesAsOperations
    educationTreatingProviderAsOperations = policy.educationTreatingProviderAsOperations
    treatmentNeedsConsent = policy.treatmentNeedsConsent
    majorityAgeYears = UInt32(clamping: policy.majorityAge)
    leapDayOnFebruary28 = policy.leapDayOnFebruary28
    majorityReview = policy.majorityReview
    oralRevocationBinds = policy.oralRevocationBinds
    treatmentRoles.roleClasses = policy.treatmentRoles.proto()
    operationsRoles.roleClasses = policy.operationsRoles.proto()
    emergencyRoles.roleClasses = policy.emergencyRoles.proto()
    emergencyReviewHours = UInt32(clamping: policy.emergencyReviewHours)
    treatmentChannels.channels = policy.treatmentChannels.proto()
    internalEducationChannels.channels = policy.internalEducationChannels.proto()
    externalEducationChannels.channels = policy.externalEducationChannels.proto()
    individualChannels.channels = policy.individualChannels.proto()
    businessAssociates = policy.businessAssociates.map(Consent_V1_Identifier.init)
    personalEmailPatientIds = policy.personalEmailRequests.map(\.description)
    consentElements.elements = policy.consentElements.proto()
    operationsObligations.obligations = policy.operationsObligations.map(\.kind)
    expiringSoon.days = policy.expiringSoonDays.map { UInt32(clamping: $0) }
    let (seconds, rest) = policy.clockAllowanceMicroseconds.quotientAndRemainder(
      dividingBy: 1_000_000)
    clockAllowance = Google_Protobuf_Duration(seconds: seconds, nanos: Int32(rest) * 1_000)
  }
}

extension Consent_V1_Policy {
  init(_ policy: Policy, timeZone: String) {
    self.init()
    version = UInt64(clamping: policy.version)
    if let from = Google_Protobuf_Timestamp(finite: policy.effective) { effectiveFrom = from }
    if let recorded = Google_Protobuf_Timestamp(finite: policy.stamp.recorded) {
      recordedAt = recorded
      recordedBy.value = policy.stamp.by
    }
    switches = Consent_V1_PolicySwitches(policy)
    self.timeZone = timeZone
  }
}
