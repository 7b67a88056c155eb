/// An image with everything it was made from: its own record first, then all sources,
/// transitively. A cycle in stored data is walked once.
struct Lineage {
  /// INVARIANT: not empty; `images[0]` is the image asked about.
  let images: [ImageRecord]
  /// Indexes of the direct sources of each image.
  let sources: [[Int]]
  /// A source is named of which no record stands: what it carries is unknown.
  let lacksSource: Bool

  /// `nil` if no record of the image stands.
  ///
  /// - Parameter current: the version of an image that speaks.
  init?(of key: ImageKey, current: (ImageKey) -> ImageRecord?) {
    guard let own = current(key) else { return nil }
    guard !own.sources.isEmpty else {
      images = [own]
      sources = [[]]
      lacksSource = false
      return
    }
    var images = [own]
    var indexes = [key: 0]
    var sources: [[Int]] = []
    var lacksSource = false
    var next = 0
    while next < images.count {
      var direct: [Int] = []
      for source in images[next].sources {
        if let index = indexes[source] {
          if index != next { direct.append(index) }
        } else if let record = current(source) {
          indexes[source] = images.count
          direct.append(images.count)
          images.append(record)
        } else {
          lacksSource = true
        }
      }
      sources.append(direct)
      next += 1
    }
    self.images = images
    self.sources = sources
    self.lacksSource = lacksSource
  }

  init?(of key: ImageKey, in known: IndexedFacts) {
    self.init(of: key, current: known.currentImage)
  }

  var own: ImageRecord { images[0] }
  var indices: Range<Int> { images.indices }

  /// Whether `target` was made, in one or more steps, from `source`.
  func isSource(_ source: Int, of target: Int) -> Bool {
    guard images.count > 1 else { return false }
    var seen = Set<Int>()
    var waiting = sources[target]
    while let index = waiting.popLast() {
      if index == source { return true }
      if seen.insert(index).inserted { waiting += sources[index] }
    }
    return false
  }

  /// On one line of descent: the same image, or one made from the other.
  func related(_ a: Int, _ b: Int) -> Bool { a == b || isSource(a, of: b) || isSource(b, of: a) }

  /// The originals behind an image: itself if it names no source.
  func originals(behind index: Int) -> [Int] {
    guard !sources[index].isEmpty else { return [index] }
    var seen: Set<Int> = [index]
    var waiting = sources[index]
    var originals: [Int] = []
    while let source = waiting.popLast() {
      guard seen.insert(source).inserted else { continue }
      if sources[source].isEmpty { originals.append(source) }
      waiting += sources[source]
    }
    return originals.isEmpty ? [index] : originals.sorted()
  }
}

extension Facts {
  /// The version of an image that speaks: the highest not entered in error. Looks through all
  /// images, which for a single question costs less than an index of them.
  func currentImage(_ key: ImageKey, errors: EnteredErrors) -> ImageRecord? {
    var found: ImageRecord?
    for image in images
    where image.key == key && image.version > found?.version ?? Int.min
      && !errors.contains(.image, image.recordID)
    {
      found = image
    }
    return found
  }

  /// The version of a patient that speaks: the highest not entered in error.
  func currentPatient(_ id: PatientID, errors: EnteredErrors) -> PatientRecord? {
    var found: PatientRecord?
    for patient in patients
    where patient.id == id && patient.version > found?.version ?? Int.min
      && !errors.contains(.patient, patient.recordID)
    {
      found = patient
    }
    return found
  }
}
