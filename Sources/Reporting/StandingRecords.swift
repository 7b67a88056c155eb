internal import ConsentCore

extension Facts {
  /// The versions of images that speak: for each key the highest number not entered in error, by
  /// key. These are the images that `probe` knows, each once.
  func standingImages() -> [ImageRecord] {
    var current: [ImageKey: ImageRecord] = [:]
    for image in standing(images, .image, \.recordID)
    where image.version > current[image.key]?.version ?? Int.min {
      current[image.key] = image
    }
    return current.values.sorted { $0.key < $1.key }
  }

  /// Those of `records` that were not entered in error.
  func standing<R, Subject>(
    _ records: [R], _ kind: RecordKind, _ id: KeyPath<R, ID<Subject>>
  ) -> [R] {
    let errors = errorTargets
    guard !errors.isEmpty else { return records }
    return records.filter {
      !errors.contains(RecordReference(kind: kind, id: $0[keyPath: id].retyped()))
    }
  }

  /// What was entered in error. A report of an error may itself be one; its target stands again.
  private var errorTargets: Set<RecordReference> {
    guard !enteredInError.isEmpty else { return [] }
    var reports: [RecordID: [EnteredInError]] = [:]
    for report in enteredInError where report.target.kind == .enteredInError {
      reports[report.target.id, default: []].append(report)
    }
    func counts(_ report: EnteredInError, without path: Set<RecordID>) -> Bool {
      let id: RecordID = report.id.retyped()
      return path.contains(id)
        || !(reports[id] ?? []).contains { counts($0, without: path.union([id])) }
    }
    return Set(enteredInError.filter { counts($0, without: []) }.map(\.target))
  }

  /// The images that the grants reach, derivatives included.
  func imagesReached(by grants: Set<GrantID>, at: Instant) -> Set<ImageKey> {
    var keys: Set<ImageKey> = []
    for paper in instruments {
      for grant in paper.grants where grants.contains(grant.id) {
        keys.formUnion(affectedImages(of: grant, in: paper, at: at))
      }
    }
    return keys
  }

  /// Images made from `sources`, in one or more steps.
  func derivatives(of sources: Set<ImageKey>) -> Set<ImageKey> {
    let images = standingImages().filter { !$0.sources.isEmpty }
    var reached = sources
    var found: Set<ImageKey> = []
    var grew = true
    while grew {
      let made = images.filter {
        !found.contains($0.key) && !reached.isDisjoint(with: $0.sources)
      }
      found.formUnion(made.map(\.key))
      reached.formUnion(made.map(\.key))
      grew = !made.isEmpty
    }
    return found
  }
}
