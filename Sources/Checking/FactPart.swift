internal import ConsentCore

/// All that a decision about one image may see, put together when it was read: a look-up hands out
/// a reference and builds nothing.
///
/// The arrays of papers are those of the circle and are shared by all its images.
final class ImageEntry: Sendable {
  let circle: CircleID
  /// Its facts are as `FactReader.facts(images:)` gives them; their position is when they were read.
  let image: ImageCase

  init(circle: CircleID, image: ImageCase) {
    self.circle = circle
    self.image = image
  }
}

/// Names the patients whose papers some images share, while they are in the index.
struct CircleID: Hashable, Sendable {
  var number: UInt64
}

/// What was read of some images, taken apart: one part for each set of patients, in it one for each
/// image.
struct FactPart: Sendable {
  /// Everybody whom the images belong or belonged to, and all ever merged with them, in order;
  /// empty for an image that is not registered.
  var patients: [PatientID]
  /// The facts of these patients and of the organization.
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

  func facts(of image: Image) -> Facts {
    var facts = shared
    facts.images = image.versions
    facts.determinations = image.determinations
    facts.determinationWithdrawals = image.withdrawals
    if !image.errors.isEmpty { facts.enteredInError += image.errors }
    return facts
  }
}
