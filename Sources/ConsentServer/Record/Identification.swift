import ConsentCore
import ConsentProto

/// What is known of an image's identification.
struct Identification {
  var state: Consent_V1_IdentificationState
  /// The determination in force.
  var determination: ID<Determination>?
  /// Why no determination is in force, where something says that the image is de-identified.
  var failure: Reason?

  var isDeidentified: Bool { state == .determinedDeidentified }

  /// Asks the ladder itself, with nothing on the table but the image and its determinations: what
  /// is left to answer is that rung.
  init(of image: ImageKey, facts: Facts, at: Instant) {
    let isClaimed = facts.images.contains {
      $0.key == image && $0.claims.identityRemoved == .yes
    }
    // Nearly every image: nothing says that it is de-identified, so the ladder is not asked.
    guard isClaimed || facts.determinations.contains(where: { $0.image == image }) else {
      state = .identifiable
      return
    }
    var about = Facts()
    about.images = facts.images
    about.patients = facts.patients
    about.merges = facts.merges
    about.unmerges = facts.unmerges
    about.enteredInError = facts.enteredInError
    about.determinations = facts.determinations.filter { $0.image == image }
    about.determinationWithdrawals = facts.determinationWithdrawals
    let coverage = probe(image: image, use: .education, audience: .external, facts: about, at: at)
    switch coverage.coverageClass {
    case .deidentified:
      state = .determinedDeidentified
      determination = coverage.records.first { $0.part == .basis }?.record.id.retyped()
    case .notNamed(let reason) where Identification.failures.contains(reason):
      failure = reason
      let withdrawn = Set(about.determinationWithdrawals.map(\.determination))
      let standing = Standing(about)
      let wasInForce = about.determinations.contains { determination in
        standing.contains(.determination(determination)) && determination.isProven
          && (withdrawn.contains(determination.id)
            || determination.until.map { $0 <= at } ?? false
            || reason != .deidentificationWithdrawn)
      }
      state = wasInForce ? .determinationEnded : .claimedDeidentified
    default:
      state = .identifiable
    }
  }

  private static let failures: Set<Reason> = [
    .deidentificationWithdrawn, .deidentificationFacialFeatures, .deidentificationUnproven,
  ]
}

extension Determination {
  /// All three findings are made: what else can fail is that it ended or is contradicted.
  fileprivate var isProven: Bool {
    identityRemoved == true && noBurnedInText == true && noRecognizableFeatures == true
  }
}

extension Consent_V1_Image {
  /// An image as a caller may see it. Of a de-identified one neither patient nor source is told.
  init(_ image: ImageRecord, identification: Identification, caller: Principal) {
    self.init(image, seesPart2: caller.limits.seesPart2)
    self.identification = identification.state
    if let determination = identification.determination {
      determinationID = determination.description
    }
    if identification.isDeidentified {
      patientID = ""
      fields.sources = []
    }
  }
}
