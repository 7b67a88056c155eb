/// Why a decision is what it is. Closed; declared in precedence order; the numbers go on the wire
/// and into the log and are never reused.
public enum Reason: UInt16, CaseIterable, Sendable, Codable {
  // Rung 1: the request.
  case purposeRequired = 1
  case audienceRequired = 2
  case channelRequired = 3
  case actorRequired = 4
  case recipientRequired = 5
  case patientMismatch = 6
  case assertionNotAllowed = 7
  case imageUnknown = 8
  case recordNotEvaluable = 9
  /// Another member of a merged patient turned PERMIT into DENY; that fact's code is second.
  case mergeMostRestrictive = 10
  // Rung 2.
  case notPHIDeidentified = 11
  // Rung 3.
  case restrictionAgreed = 12
  // Rung 4: standing denies.
  case refused = 13
  case denyMoreSpecific = 14
  case conflictDenyWins = 15
  // Rung 5.
  case authorizationValid = 16
  case consentValid = 17
  // Rung 6.
  case treatmentNoAuthorizationRequired = 18
  case operationsNoAuthorizationRequired = 19
  case individualAccess = 20
  case part2Internal = 21
  case contractRequired = 52
  case roleNotPermitted = 22
  case relationshipRequired = 23
  // Rung 7: something nearly covers it.
  case authorizationFalseInformation = 24
  case authorizationRevoked = 25
  case authorizationExpiredEvent = 26
  case authorizationExpiredDate = 27
  case signerNoAuthority = 28
  case authorizationIncomplete = 29
  case authorizationCompound = 30
  case authorizationConditioned = 31
  case majorityReviewRequired = 32
  case notYetEffective = 33
  case consentNotSufficient = 34
  case audienceNotNamed = 35
  case recipientNotNamed = 36
  case discloserNotNamed = 37
  case channelNotInGrant = 38
  case notInDescribedInformation = 39
  case part2ConsentRequired = 40
  case deidentificationWithdrawn = 41
  case deidentificationFacialFeatures = 42
  case deidentificationUnproven = 43
  case researchNotSupported = 53
  // Rung 8.
  case noAuthorization = 44
  // Emergency and channel gates.
  case emergencyOverride = 45
  case part2MedicalEmergency = 46
  case emergencyNotPermitted = 47
  case channelNotPermitted = 48
  // Notes and groups.
  case restrictionRequested = 49
  case partialScope = 50
  /// Stands in for a Part 2 reason where the caller may not see it (42 CFR 2.13(c)(2)).
  case accessRestricted = 51
}
