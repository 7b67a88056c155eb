internal import ConsentCore
internal import ConsentStore

/// The facts of one organization's images, as known at one position of its feed.
///
/// INVARIANT: every entry is what `facts(images:)` would read at `applied`, but for the position in
/// it. Rows of the feed are applied in order, each exactly once and bound to its history by its
/// chain; what a row concerns is dropped and read again when it is asked for.
///
/// A value without locks, threads or clocks: its owner has those.
struct FactIndex {
  /// Up to where the feed has been followed; `nil`: nothing has been read yet.
  private(set) var applied: FeedHead?
  private(set) var holdsPart2 = false
  private(set) var settings: OrganizationSettings?
  /// Moves when everything is dropped and another history begins.
  private(set) var generation: UInt64 = 0

  private var entries: [ImageDigest: ImageEntry] = [:]
  private var circles: [CircleID: CircleState] = [:]
  private var circlesByPatient: [PatientID: [CircleID]] = [:]
  /// Which circles hold an image that was made from this one.
  private var dependents: [ImageDigest: Set<CircleID>] = [:]
  /// For eviction at random.
  private var order: [CircleID] = []
  private var nextCircle: UInt64 = 0
  private var identifiers: [Identifier: [PatientID]] = [:]
  /// The heads of the rows applied last, at consecutive positions.
  private var passedHeads: [FeedHead] = []
  private static let headsKept = 1_024

  /// Rows applied while something is being read for the index; see `install`.
  private var passed: [FeedRow] = []
  private var reading: (generation: UInt64, from: FeedHead?)?

  /// The most images held.
  let limit: Int
  let deviation: Deviation

  private struct CircleState {
    var patients: [PatientID]
    var shared: Facts
    var keys: [ImageDigest]
    var sources: Set<ImageDigest>
    /// In `order`.
    var place: Int
  }

  init(limit: Int, deviation: Deviation = Deviation(nil)) {
    self.limit = max(1, limit)
    self.deviation = deviation
  }

  var count: Int { entries.count }

  // MARK: Looking up

  /// - Returns: `nil` if the image's facts have to be read. Who uses it compares the key.
  func entry(_ key: ImageKey) -> ImageEntry? { entries[ImageDigest(key)] }

  func patients(identifiedBy identifier: Identifier) -> [PatientID]? { identifiers[identifier] }

  /// The head as it was at an earlier position; `nil` if it has to be read.
  func head(at position: UInt64) -> FeedHead? {
    guard let applied, position <= applied.position else { return nil }
    if position == applied.position { return applied }
    if position == 0 { return .empty }
    guard let first = passedHeads.first, position >= first.position else { return nil }
    let place = Int(clamping: position - first.position)
    return passedHeads.indices.contains(place) ? passedHeads[place] : nil
  }

  // MARK: Following the feed

  /// Why the feed cannot be followed.
  enum Fault: Error, Equatable {
    /// It holds another history than the one applied, or has gone back.
    case historyReplaced
    /// Rows between the one applied and the next one given are lacking.
    case gap
  }

  /// Applies the rows that have not been yet, and is then at the last of them, or at `head` if the
  /// rows reach it.
  mutating func follow(_ rows: [FeedRow], to head: FeedHead, holdsPart2: Bool?) throws(Fault) {
    guard var at = applied, let organization = settings?.id else { return }
    for row in rows {
      if row.position <= at.position {
        guard row.position < at.position || row.chain == at.chain else { throw .historyReplaced }
        continue
      }
      guard row.position == at.position + 1 else { throw .gap }
      guard
        row.chain
          == FeedChain.next(
            after: at.chain, organization: organization, position: row.position, known: row.known,
            eventID: row.eventID, event: row.event, by: row.by)
      else { throw .historyReplaced }
      at.position = row.position
      at.chain = row.chain
      at.known = row.known
      if row.event.kind.changesFacts { at.factPosition = row.position }
      apply(row)
      applied = at
      if passedHeads.count >= 2 * Self.headsKept { passedHeads.removeFirst(Self.headsKept) }
      passedHeads.append(at)
    }
    if head.position == at.position, head.chain != at.chain { throw .historyReplaced }
    if let holdsPart2, holdsPart2 != self.holdsPart2, head.position == at.position {
      // Every entry carries it; it turns true once in the life of an organization.
      self.holdsPart2 = holdsPart2
      dropEverything()
    }
  }

  private mutating func apply(_ row: FeedRow) {
    if reading != nil { passed.append(row) }
    if RowReach.changesIdentifiers(row.event) { identifiers.removeAll(keepingCapacity: true) }
    switch RowReach(row.event) {
    case .nothing: break
    case .everything: dropEverything()
    case .some(let patient, let images):
      if let patient { for circle in circlesByPatient[patient] ?? [] { drop(circle) } }
      for image in images { drop(image) }
    }
  }

  // MARK: Reading for the index

  /// One reading at a time: what it needs to know is kept until `install` or `abandon`.
  mutating func beginReading() {
    reading = (generation, applied)
    passed = []
  }

  mutating func abandonReading() {
    reading = nil
    passed = []
  }

  /// Takes in what was read, as of the head it was read at.
  ///
  /// Rows up to that head which have not been applied are applied first. If more has been applied
  /// meanwhile, parts that a later row concerns are refused: they are older than a change that has
  /// passed. A reading of another history than the one applied begins a new index.
  mutating func install(_ fill: FactFill) {
    defer { abandonReading() }
    guard let reading, reading.generation == generation else { return }
    guard applied != nil, !fill.isOfNewHistory else { return begin(with: fill) }
    do {
      try follow(fill.rows, to: fill.head, holdsPart2: fill.holdsPart2)
    } catch {
      return begin(with: fill)
    }
    guard let applied, isOfThisHistory(fill.head, reading.from) else { return begin(with: fill) }
    var later = passed.filter { $0.position > fill.head.position }.map { RowReach($0.event) }
    if deviation.isOn(.fillWithoutPosition) { later = [] }
    guard !later.contains(.everything) else { return }
    guard fill.holdsPart2 == holdsPart2 || applied.position == fill.head.position else { return }
    for part in fill.parts where !later.contains(where: { $0.concerns(part) }) { insert(part) }
    if !passed.contains(where: {
      $0.position > fill.head.position && RowReach.changesIdentifiers($0.event)
    }) {
      for (identifier, patients) in fill.identifiers { remember(identifier, patients) }
    }
  }

  private func isOfThisHistory(_ head: FeedHead, _ from: FeedHead?) -> Bool {
    if head.position == applied?.position { return head.chain == applied?.chain }
    if head.position == from?.position { return head.chain == from?.chain }
    guard let row = passed.first(where: { $0.position == head.position }) else { return false }
    return row.chain == head.chain
  }

  private mutating func begin(with fill: FactFill) {
    reset()
    applied = fill.head
    settings = fill.settings
    holdsPart2 = fill.holdsPart2
    for part in fill.parts { insert(part) }
    for (identifier, patients) in fill.identifiers { remember(identifier, patients) }
  }

  /// Forgets everything: the next reading begins anew.
  mutating func reset() {
    dropEverything()
    identifiers = [:]
    passedHeads = []
    applied = nil
    generation += 1
  }

  // MARK: Circles

  private mutating func insert(_ part: FactPart) {
    guard part.images.count <= limit else { return }
    let circle = known(part) ?? add(part)
    for image in part.images {
      let digest = ImageDigest(image.key)
      if let other = entries[digest] {
        if other.circle == circle { continue }
        // A collision, or the same image under other patients: only one may stand.
        drop(other.circle)
      }
      let shared = circles[circle]?.shared ?? part.shared
      let whole = FactPart(patients: part.patients, shared: shared, images: [])
      entries[digest] = ImageEntry(
        circle: circle, image: ImageCase(image.key, facts: whole.facts(of: image)))
      circles[circle]?.keys.append(digest)
      for source in image.sources {
        let source = ImageDigest(source)
        circles[circle]?.sources.insert(source)
        dependents[source, default: []].insert(circle)
      }
    }
    while entries.count > limit, order.count > 1, let victim = order.randomElement() {
      if victim != circle { drop(victim) }
    }
  }

  private func known(_ part: FactPart) -> CircleID? {
    guard let patient = part.patients.first else { return nil }
    return circlesByPatient[patient]?.first { circles[$0]?.patients == part.patients }
  }

  private mutating func add(_ part: FactPart) -> CircleID {
    nextCircle += 1
    let circle = CircleID(number: nextCircle)
    circles[circle] = CircleState(
      patients: part.patients, shared: part.shared, keys: [], sources: [], place: order.count)
    order.append(circle)
    for patient in part.patients { circlesByPatient[patient, default: []].append(circle) }
    return circle
  }

  private mutating func drop(_ image: ImageKey) {
    let digest = ImageDigest(image)
    if let entry = entries[digest] { drop(entry.circle) }
    for circle in dependents[digest] ?? [] { drop(circle) }
  }

  private mutating func drop(_ circle: CircleID) {
    guard let state = circles.removeValue(forKey: circle) else { return }
    for key in state.keys where entries[key]?.circle == circle { entries[key] = nil }
    for source in state.sources {
      dependents[source]?.remove(circle)
      if dependents[source]?.isEmpty == true { dependents[source] = nil }
    }
    for patient in state.patients {
      circlesByPatient[patient]?.removeAll { $0 == circle }
      if circlesByPatient[patient]?.isEmpty == true { circlesByPatient[patient] = nil }
    }
    let last = order.removeLast()
    if last != circle {
      order[state.place] = last
      circles[last]?.place = state.place
    }
  }

  private mutating func dropEverything() {
    entries = [:]
    circles = [:]
    circlesByPatient = [:]
    dependents = [:]
    order = []
  }

  private mutating func remember(_ identifier: Identifier, _ patients: [PatientID]) {
    if identifiers.count >= limit { identifiers.removeAll() }
    identifiers[identifier] = patients
  }
}

extension RowReach {
  /// Whether it changes anything in the part.
  func concerns(_ part: FactPart) -> Bool {
    switch self {
    case .nothing: false
    case .everything: true
    case .some(let patient, let images):
      patient.map { part.patients.contains($0) } ?? false
        || images.contains { image in
          part.images.contains { $0.key == image || $0.sources.contains(image) }
        }
    }
  }
}
