internal import ConsentCore

/// What was read of some images, taken apart: one part for each set of patients, in it one for each
/// image.
struct FactPart: Sendable {
  /// Everybody whom the images belong or belonged to, and all ever merged with them, in order;
  /// empty for an image that is not registered.
  var patients: [PatientID]
  /// The facts of these patients, without the organization's rules.
  var shared: Facts
  var images: [Image]

  struct Image: Sendable {
    var key: ImageKey
    /// Versions of the image and of all its sources.
    var versions: [ImageRecord]
    var determinations: [Determination]
    var withdrawals: [DeterminationWithdrawal]
    var errors: [EnteredInError]
    /// The other images that its facts were gathered from, whether registered or not.
    var sources: [ImageKey]
  }

  /// - Parameter rules: see `FactSplit.rules`.
  func facts(of image: Image, under rules: Facts) -> Facts {
    var facts = shared
    facts.images = image.versions
    facts.determinations = image.determinations
    facts.determinationWithdrawals = image.withdrawals
    if !image.errors.isEmpty { facts.enteredInError += image.errors }
    facts.add(rules: rules)
    return facts
  }
}

extension Facts {
  /// The organization's own records: see `FactSplit.rules`.
  mutating func add(rules: Facts) {
    policies = rules.policies
    forms = rules.forms
    organizationHoldsPart2 = rules.organizationHoldsPart2
    position = rules.position
    if !rules.enteredInError.isEmpty { enteredInError += rules.enteredInError }
  }
}
