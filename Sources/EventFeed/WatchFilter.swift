public import ConsentCore

/// Which events a watcher wants; an empty set asks for nothing.
///
/// INVARIANT: a filter may pass more than asked for and never less: a watcher that keeps answers
/// while it follows the feed must not miss what may change them. So an event that concerns the
/// whole organization, every use, or more images than it lists passes where it cannot be ruled out.
public struct WatchFilter: Hashable, Sendable {
  public var kinds: Set<EventKind>
  public var patients: Set<PatientID>
  public var images: Set<ImageKey>
  public var uses: ClosedSet<Use>

  /// Everything.
  public init(
    kinds: Set<EventKind> = [], patients: Set<PatientID> = [], images: Set<ImageKey> = [],
    uses: ClosedSet<Use> = []
  ) {
    self.kinds = kinds
    self.patients = patients
    self.images = images
    self.uses = uses
  }

  public func passes(_ event: FeedEvent) -> Bool {
    (kinds.isEmpty || kinds.contains(event.kind))
      && (patients.isEmpty || mayConcernPatients(event))
      && (images.isEmpty || mayConcernImages(event))
      && (uses.isEmpty || event.uses.isEmpty || !event.uses.intersection(uses).isEmpty)
  }

  private func mayConcernPatients(_ event: FeedEvent) -> Bool {
    // A merge, its end and an image moved by a correction concern a patient besides the one named.
    switch event.kind {
    case .patientsMerged, .patientsUnmerged, .imageCorrected, .recordEnteredInError: return true
    default: break
    }
    guard let patient = event.patient else { return true }
    return patients.contains(patient)
  }

  private func mayConcernImages(_ event: FeedEvent) -> Bool {
    if event.images.contains(where: images.contains) { return true }
    // A list that is empty or full leaves images out; its scope is all that is known of them.
    guard event.images.isEmpty || event.images.count >= FeedEvent.imagesListed else { return false }
    if case .image(let only)? = event.scope { return images.contains(only) }
    return true
  }
}

extension FeedEvent {
  /// The most images an event lists; its scope says the rest.
  static let imagesListed = 256
}
