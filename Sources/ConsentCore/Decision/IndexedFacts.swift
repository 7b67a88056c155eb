/// Facts with what is asked of them again and again looked up once: which records were entered in
/// error, and where the versions of each image are.
///
/// Whoever asks about many images of the same facts makes one of these first; each question then
/// costs the same however many images there are.
///
/// INVARIANT: answers are those of the plain facts.
public struct IndexedFacts: Sendable {
  public private(set) var facts: Facts
  private(set) var errors: EnteredErrors
  private var versions: [ImageKey: ImageVersions] = [:]

  public init(_ facts: Facts) {
    self.facts = facts
    errors = EnteredErrors(facts.enteredInError)
    indexImages()
  }

  /// Adds a record and keeps the index.
  mutating func insert(_ record: Record) {
    facts.insert(record)
    switch record {
    case .image: index(imageAt: facts.images.count - 1)
    case .enteredInError:
      errors = EnteredErrors(facts.enteredInError)
      indexImages()
    default: break
    }
  }

  /// Every key of which there is a record, entered in error or not.
  var imageKeys: Dictionary<ImageKey, ImageVersions>.Keys { versions.keys }

  func imageVersions(_ key: ImageKey) -> ImageVersions? { versions[key] }

  /// The version of an image that speaks: the highest not entered in error.
  public func currentImage(_ key: ImageKey) -> ImageRecord? {
    versions[key]?.current.map { facts.images[$0] }
  }

  private mutating func indexImages() {
    versions = Dictionary(minimumCapacity: facts.images.count)
    for index in facts.images.indices { self.index(imageAt: index) }
  }

  private mutating func index(imageAt index: Int) {
    let image = facts.images[index]
    var entry =
      versions[image.key]
      ?? ImageVersions(latest: image.version, first: image.version, firstRecorded: .distantPast)
    if image.version >= entry.latest { entry.latest = image.version }
    if entry.count == 0 || image.version < entry.first {
      entry.first = image.version
      entry.firstRecorded = image.firstRecorded
    }
    entry.count += 1
    if !errors.contains(.image, image.recordID),
      image.version > entry.current.map({ facts.images[$0].version }) ?? Int.min
    {
      entry.current = index
    }
    versions[image.key] = entry
  }
}

/// What there is of one image.
struct ImageVersions {
  /// The highest version, entered in error or not.
  var latest: Int
  /// The lowest version, and when the image was first recorded by its account.
  var first: Int
  var firstRecorded: Instant
  var count = 0
  /// Index of the version that speaks; `nil`: none stands.
  var current: Int?
}
