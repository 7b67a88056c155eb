/// What an image is to be used for. The set is closed; the caller always says which.
public enum Use: UInt8, CaseIterable, Sendable, Codable {
  case diagnosis = 1
  case consultation = 2
  case education = 3
  /// Recordable; never permitted by this version.
  case research = 4

  /// Diagnosis and consultation are treatment (45 CFR 164.501).
  public var isTreatment: Bool { self == .diagnosis || self == .consultation }
}

/// Who receives the image.
public enum Audience: UInt8, CaseIterable, Sendable, Codable {
  case ownWorkforce = 1
  case traineesSupervised = 2
  /// Any provider receiving the image for this patient's treatment, a consulted one included.
  case treatingProvider = 3
  /// A contract is on file (45 CFR 164.504(e)).
  case businessAssociate = 4
  /// The patient or a personal representative (45 CFR 164.524).
  case individual = 5
  case external = 6

  /// For these the request names a recipient; for the others the recipient is the actor.
  public var needsRecipient: Bool { self != .ownWorkforce && self != .traineesSupervised }
}

/// How the image travels or is shown.
public enum Channel: UInt8, CaseIterable, Sendable, Codable {
  case ehr = 1
  case pacsViewer = 2
  case secureMessaging = 3
  case patientPortal = 4
  case print = 5
  case removableMedia = 6
  case presentation = 7
  case publication = 8
  case personalEmail = 9
  case personalMessaging = 10
  case socialMedia = 11
}

/// What the paper, or the law, offers for a use. Ordered: none < consent < authorization.
public enum Strength: UInt8, CaseIterable, Comparable, Sendable, Codable {
  case none = 1
  case consent = 2
  case authorization = 3

  public static func < (a: Strength, b: Strength) -> Bool { a.rawValue < b.rawValue }
}

/// Whether the caller is about to use the image, or a worklist asks which buttons to show.
public enum Intent: UInt8, CaseIterable, Sendable, Codable {
  case use = 1
  case preview = 2
}
