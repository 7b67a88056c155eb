internal import ConsentCore
internal import ConsentStore

/// The facts of one organization's images, as known at one position of its feed.
///
/// INVARIANT: what it holds of an image decides every question about it as what `facts(images:)` reads
/// at `applied` does. Rows of the feed are applied in order, each exactly once and bound to its history by its
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

  private var images = ImageTable()
  private var cases: PreparedCases
  /// By number; those that were dropped are used again.
  private var circles: ContiguousArray<CircleState?> = []
  private var freeCircles: [CircleID] = []
  private var circlesByPatient: [PatientID: CircleList] = [:]
  /// Those with a grant that ends by a named event.
  private var circlesOnEvents: Set<CircleID> = []
  /// Which circles hold an image that was made from this one.
  private var dependents: [ImageDigest: Set<CircleID>] = [:]
  /// For eviction at random.
  private var order: [CircleID] = []
  private var identifiers: [Identifier: [PatientID]] = [:]
  /// The heads of the rows applied last, at consecutive positions.
  private var passedHeads: [FeedHead] = []
  private static let headsKept = 1_024

  /// Rows applied while something is being read for the index; see `install`.
  private var passed: [FeedRow] = []
  private var reading: (generation: UInt64, from: FeedHead?)?

  /// The most images held.
  let limit: Int
  private let preparedLimit: Int
  let deviation: Deviation

  fileprivate struct CircleState {
    var patients: [PatientID]
    var shared: Facts
    var forms: [ImageForm] = []
    /// The images that are not plain.
    var whole: [ImageDigest: FactPart.Image] = [:]
    /// The first of its rows.
    var first = ImageTable.none
    /// The row whose case was made last: those of the others are mostly like it.
    var preparedLast = ImageTable.none
    var sources: Set<ImageDigest> = []
    /// In `order`.
    var place: Int
  }

  /// - Parameter prepared: how many images are kept ready to be decided on.
  init(limit: Int, prepared: Int = 1_024, deviation: Deviation = Deviation(nil)) {
    self.limit = max(1, min(limit, Int(Int32.max)))
    preparedLimit = prepared
    cases = PreparedCases(limit: prepared)
    self.deviation = deviation
  }

  var count: Int { images.count }

  // MARK: Looking up

  func holds(_ key: ImageKey) -> Bool { images.find(ImageDigest(key)) != nil }

  /// - Returns: `nil` if the image's facts have to be read.
  mutating func imageCase(_ key: ImageKey) -> ImageCase? {
    guard let number = images.find(ImageDigest(key)) else { return nil }
    let prepared = images[number].prepared
    if prepared != ImageTable.none {
      let known = cases[prepared]
      return known.key == key ? known : nil
    }
    guard let image = prepare(key, number) else { return nil }
    circles[Int(images[number].circle.number)]?.preparedLast = number
    let (place, gone) = cases.insert(image, of: number)
    if let gone { images[gone].prepared = ImageTable.none }
    images[number].prepared = place
    return image
  }

  private func prepare(_ key: ImageKey, _ number: UInt32) -> ImageCase? {
    let row = images[number]
    guard let circle = circles[Int(row.circle.number)] else { return nil }
    guard row.form != ImageTable.whole else {
      guard let image = circle.whole[row.digest], image.key == key else { return nil }
      let part = FactPart(patients: circle.patients, shared: circle.shared, images: [])
      return ImageCase(key, facts: part.facts(of: image))
    }
    let image = circle.forms[Int(row.form)].record(key, row, of: circle.patients[0])
    if circle.preparedLast != ImageTable.none,
      images[circle.preparedLast].prepared != ImageTable.none,
      let like = ImageCase(like: cases[images[circle.preparedLast].prepared], of: image)
    {
      return like
    }
    var facts = circle.shared
    facts.images = [image]
    return ImageCase(key, facts: facts)
  }

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
    case .grantsOnEvents: dropGrantsOnEvents()
    case .some(let patient, let images, let andGrantsOnEvents):
      if andGrantsOnEvents { dropGrantsOnEvents() }
      if let patient { for circle in circlesByPatient[patient]?.all ?? [] { drop(circle) } }
      for image in images { drop(image) }
    }
  }

  private mutating func dropGrantsOnEvents() {
    for circle in circlesOnEvents { drop(circle) }
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
    var named = NamedScopes(circles[Int(circle.number)]?.shared.instruments ?? [])
    if deviation.isOn(.forgetScopes) { named = NamedScopes([]) }
    for image in part.images {
      let digest = ImageDigest(image.key)
      if let number = images.find(digest) {
        let other = images[number].circle
        if other == circle { continue }
        // A collision, or the same image under other patients: only one may stand.
        drop(other)
      }
      keep(image, digest, in: circle, named)
    }
    while images.count > limit, order.count > 1, let victim = order.randomElement() {
      if victim != circle { drop(victim) }
    }
  }

  private mutating func keep(
    _ image: FactPart.Image, _ digest: ImageDigest, in id: CircleID, _ named: NamedScopes
  ) {
    guard var circle = circles[Int(id.number)] else { return }
    // Changed in place: nobody else holds it meanwhile.
    circles[Int(id.number)] = nil
    defer { circles[Int(id.number)] = circle }
    var row = ImageTable.Row(digest: digest, circle: id)
    if let plain = image.plain(of: circle.patients, beside: circle.shared),
      let form = circle.number(of: named.form(of: plain))
    {
      row.form = form
      row.acquiredDay = plain.acquiredDay
      row.firstRecorded = plain.firstRecorded
    } else {
      circle.whole[digest] = image
    }
    row.next = circle.first
    circle.first = images.insert(row)
    for source in image.sources {
      let source = ImageDigest(source)
      circle.sources.insert(source)
      dependents[source, default: []].insert(id)
    }
  }

  private func known(_ part: FactPart) -> CircleID? {
    guard let patient = part.patients.first else { return nil }
    return circlesByPatient[patient]?.all.first {
      circles[Int($0.number)]?.patients == part.patients
    }
  }

  private mutating func add(_ part: FactPart) -> CircleID {
    let state = CircleState(patients: part.patients, shared: part.shared, place: order.count)
    let circle: CircleID
    if let free = freeCircles.popLast() {
      circle = free
      circles[Int(circle.number)] = state
    } else {
      circle = CircleID(number: UInt32(circles.count))
      circles.append(state)
    }
    order.append(circle)
    for patient in part.patients { circlesByPatient[patient, default: .none].insert(circle) }
    if part.namesEvents { circlesOnEvents.insert(circle) }
    return circle
  }

  private mutating func drop(_ image: ImageKey) {
    let digest = ImageDigest(image)
    if let number = images.find(digest) { drop(images[number].circle) }
    for circle in dependents[digest] ?? [] { drop(circle) }
  }

  private mutating func drop(_ circle: CircleID) {
    guard let state = circles[Int(circle.number)] else { return }
    circles[Int(circle.number)] = nil
    freeCircles.append(circle)
    var number = state.first
    while number != ImageTable.none {
      let row = images[number]
      if row.prepared != ImageTable.none, let moved = cases.remove(row.prepared) {
        images[moved].prepared = row.prepared
      }
      images.remove(number)
      number = row.next
    }
    for source in state.sources {
      dependents[source]?.remove(circle)
      if dependents[source]?.isEmpty == true { dependents[source] = nil }
    }
    for patient in state.patients {
      circlesByPatient[patient]?.remove(circle)
      if circlesByPatient[patient]?.all.isEmpty == true { circlesByPatient[patient] = nil }
    }
    circlesOnEvents.remove(circle)
    let last = order.removeLast()
    if last != circle {
      order[state.place] = last
      circles[Int(last.number)]?.place = state.place
    }
  }

  private mutating func dropEverything() {
    images = ImageTable()
    cases = PreparedCases(limit: preparedLimit)
    circles = []
    freeCircles = []
    circlesByPatient = [:]
    circlesOnEvents = []
    dependents = [:]
    order = []
  }

  private mutating func remember(_ identifier: Identifier, _ patients: [PatientID]) {
    if identifiers.count >= limit { identifiers.removeAll() }
    identifiers[identifier] = patients
  }
}

extension FactIndex.CircleState {
  /// Which of its forms this is; `nil` when it can have no more.
  fileprivate mutating func number(of form: ImageForm) -> UInt16? {
    if let known = forms.firstIndex(of: form) { return UInt16(known) }
    guard forms.count < Int(ImageTable.whole) else { return nil }
    forms.append(form)
    return UInt16(forms.count - 1)
  }
}

/// The circles of a patient: one, but where an image was registered for several.
private enum CircleList {
  case none
  case one(CircleID)
  case many([CircleID])

  var all: [CircleID] {
    switch self {
    case .none: []
    case .one(let circle): [circle]
    case .many(let circles): circles
    }
  }

  mutating func insert(_ circle: CircleID) { self = CircleList(all + [circle]) }
  mutating func remove(_ circle: CircleID) { self = CircleList(all.filter { $0 != circle }) }

  private init(_ circles: [CircleID]) {
    self = circles.isEmpty ? .none : circles.count == 1 ? .one(circles[0]) : .many(circles)
  }
}

extension FactPart {
  /// A grant in it ends by a named event.
  var namesEvents: Bool {
    shared.instruments.contains { paper in
      paper.grants.contains { grant in
        if case .event = grant.expiry { true } else { false }
      }
    }
  }
}

extension RowReach {
  /// Whether it changes anything in the part.
  func concerns(_ part: FactPart) -> Bool {
    switch self {
    case .nothing: false
    case .everything: true
    case .grantsOnEvents: part.namesEvents
    case .some(let patient, let images, let andGrantsOnEvents):
      patient.map { part.patients.contains($0) } ?? false
        || (andGrantsOnEvents && part.namesEvents)
        || images.contains { image in
          part.images.contains { $0.key == image || $0.sources.contains(image) }
        }
    }
  }
}
