internal import ConsentCore
internal import ConsentStore

/// The facts of one organization's images, as known at one position of its feed.
///
/// INVARIANT: what it holds of an image decides every question about it as what `facts(images:)` reads
/// at `applied` does. Rows of the feed are applied in order, each exactly once and bound to its history by its
/// chain; what a row concerns is dropped and read again when it is asked for. While it is not known
/// what a row concerns, nothing is looked up.
///
/// A value without locks, threads or clocks: its owner has those.
struct FactIndex: Sendable {
  /// Up to where the feed has been followed; `nil`: nothing has been read yet.
  var applied: FeedHead?
  /// The organization's own records, which every decision sees beside the circle's.
  var rules = Facts()
  var settings: OrganizationSettings?
  /// Moves when everything is dropped and another history begins.
  private(set) var generation: UInt64 = 0
  /// What rows that were applied concern besides what they say.
  var unsettled = Unsettled()

  var images = ImageTable()
  private var cases: PreparedCases
  /// By number; those that were dropped are used again.
  var circles: PatientTable.Circles = []
  private var freeCircles: [CircleID] = []
  private var circlesByPatient = PatientTable()
  var forms = PaperForms()
  /// Those with a grant that ends by a named event.
  private var circlesOnEvents: Set<CircleID> = []
  /// Which circles hold an image that was made from this one.
  private var dependents: [ImageDigest: Set<CircleID>] = [:]
  /// For eviction at random.
  private var order: ContiguousArray<CircleID> = []
  private var identifiers: [Identifier: [PatientID]] = [:]
  /// The heads of the rows applied last, at consecutive positions.
  private var passedHeads: [FeedHead] = []
  private static let headsKept = 1_024

  /// Rows applied while something is being read for the index; see `install`.
  var passed: [FeedRow] = []
  var reading: (generation: UInt64, from: FeedHead?)?
  /// The same while the whole register is being read.
  var loading: Loading?

  /// The most images held.
  let limit: Int
  private let preparedLimit: Int
  let deviation: Deviation

  /// - Parameter prepared: how many images are kept ready to be decided on.
  init(limit: Int, prepared: Int = 1_024, deviation: Deviation = Deviation(nil)) {
    self.limit = max(1, min(limit, Int(Int32.max)))
    preparedLimit = prepared
    cases = PreparedCases(limit: prepared)
    self.deviation = deviation
  }

  var count: Int { images.count }
  var holdsPart2: Bool { rules.organizationHoldsPart2 }

  // MARK: Looking up

  func holds(_ key: ImageKey) -> Bool {
    unsettled.isEmpty && images.find(ImageDigest(key)) != nil
  }

  /// - Returns: `nil` if the image's facts have to be read.
  mutating func imageCase(_ key: ImageKey) -> ImageCase? {
    guard unsettled.isEmpty, let number = images.find(ImageDigest(key)) else { return nil }
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
      guard let image = circle.whole(row.digest), image.key == key, let shared = shared(of: circle)
      else { return nil }
      let part = FactPart(patients: [], shared: shared, images: [])
      return ImageCase(key, facts: part.facts(of: image, under: rules))
    }
    guard let patient = circle.patients.only else { return nil }
    if circle.preparedLast != ImageTable.none,
      images[circle.preparedLast].prepared != ImageTable.none
    {
      let last = cases[images[circle.preparedLast].prepared]
      if let form = circle.form(row.form, named: last.facts.instruments),
        let like = ImageCase(like: last, of: form.record(key, row, of: patient))
      {
        return like
      }
    }
    guard var facts = shared(of: circle),
      let form = circle.form(row.form, named: facts.instruments)
    else { return nil }
    facts.images = [form.record(key, row, of: patient)]
    facts.add(rules: rules)
    return ImageCase(key, facts: facts)
  }

  /// The facts of a circle's patients.
  private func shared(of circle: CircleState) -> Facts? {
    switch circle.papers {
    case .whole(let whole): whole.facts
    case .packed(let bytes): circle.patients.only.flatMap { forms.unpack(bytes, of: $0) }
    }
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
      // It turns true once in the life of an organization.
      rules.organizationHoldsPart2 = holdsPart2
      dropPrepared()
    }
  }

  private mutating func apply(_ row: FeedRow) {
    if reading != nil { passed.append(row) }
    loading?.append(row)
    if RowReach.changesIdentifiers(row.event) { identifiers.removeAll(keepingCapacity: true) }
    switch reach(of: row) {
    case .nothing: break
    case .everything:
      dropEverything()
      unsettled.rules = row.position
    case .rules: unsettled.rules = row.position
    case .merge(let survivor): unsettled.merges[survivor] = row.position
    case .grantsOnEvents: dropGrantsOnEvents()
    case .some(let patient, let images, let andGrantsOnEvents):
      if andGrantsOnEvents { dropGrantsOnEvents() }
      if let patient { drop(circlesOf: patient) }
      for image in images { drop(image) }
    }
  }

  private func reach(of row: FeedRow) -> RowReach {
    let reach = RowReach(row.event)
    switch reach {
    case .rules where deviation.isOn(.keepPolicies): return .nothing
    case .merge(let survivor) where deviation.isOn(.forgetMerged):
      return .some(patient: survivor, images: [])
    default: return reach
    }
  }

  private mutating func dropGrantsOnEvents() {
    for circle in circlesOnEvents { drop(circle) }
  }

  /// Forgets everything: the next reading begins anew.
  mutating func reset() {
    dropEverything()
    rules = Facts()
    unsettled = Unsettled()
    identifiers = [:]
    passedHeads = []
    applied = nil
    loading = nil
    generation += 1
  }

  /// Takes over what is not of the register from an index at the same position of the same history.
  /// A reading for that one is refused: it does not know what is not settled here.
  mutating func inherit(from other: FactIndex) {
    identifiers = other.identifiers
    passedHeads = other.passedHeads
    generation = other.generation
  }

  // MARK: Circles

  mutating func insert(_ part: FactPart) {
    guard part.images.count <= limit else { return }
    let patients = CirclePatients(part.patients)
    let circle = circlesByPatient.circle(of: patients, in: circles) ?? add(part)
    var named = NamedScopes(part.shared.instruments)
    if deviation.isOn(.forgetScopes) { named = NamedScopes([]) }
    for image in part.images {
      let digest = ImageDigest(image.key)
      if let number = images.find(digest) {
        let other = images[number].circle
        if other == circle { continue }
        // A collision, or the same image under other patients: only one may stand.
        drop(other)
      }
      keep(image, digest, in: circle, part, named)
    }
    while images.count > limit, order.count > 1, let victim = order.randomElement() {
      if victim != circle { drop(victim) }
    }
  }

  private mutating func keep(
    _ image: FactPart.Image, _ digest: ImageDigest, in id: CircleID, _ part: FactPart,
    _ named: NamedScopes
  ) {
    guard var circle = circles[Int(id.number)] else { return }
    // Changed in place: nobody else holds it meanwhile.
    circles[Int(id.number)] = nil
    defer { circles[Int(id.number)] = circle }
    var row = ImageTable.Row(digest: digest, circle: id)
    if let plain = image.plain(of: part.patients, beside: part.shared),
      plain.acquiredDay != ImageTable.Row.noDay, let form = circle.number(of: named.form(of: plain))
    {
      row.form = form
      row.acquiredDay = plain.acquiredDay
      row.firstRecorded = plain.firstRecorded
    } else {
      circle.keep(image, digest)
    }
    row.next = circle.first
    circle.first = images.insert(row)
    for source in image.sources {
      let source = ImageDigest(source)
      circle.insert(source: source)
      dependents[source, default: []].insert(id)
    }
  }

  /// A plain image of a circle, by what a row has of it.
  mutating func insert(_ row: ImageTable.Row, _ form: ImageForm, in id: CircleID) {
    guard let first = circles[Int(id.number)]?.first,
      let number = form.unnamedNumber ?? circles[Int(id.number)]?.number(of: form)
    else { return }
    var row = row
    row.form = number
    row.next = first
    guard let inserted = images.insert(new: row) else { return }
    circles[Int(id.number)]?.first = inserted
  }

  private mutating func add(_ part: FactPart) -> CircleID {
    let patients = CirclePatients(part.patients)
    let packed = patients.only.flatMap { forms.pack(part.shared, of: $0) }
    let circle = add(
      patients, packed.map { .packed($0) } ?? .whole(WholePapers(part.shared)))
    if part.namesEvents { circlesOnEvents.insert(circle) }
    return circle
  }

  /// - Parameter patients: who have no circle of theirs yet.
  mutating func add(_ patients: CirclePatients, _ papers: CirclePapers) -> CircleID {
    let state = CircleState(patients: patients, papers: papers, place: UInt32(order.count))
    let circle: CircleID
    if let free = freeCircles.popLast() {
      circle = free
      circles[Int(circle.number)] = state
    } else {
      circle = CircleID(number: UInt32(circles.count))
      circles.append(state)
    }
    order.append(circle)
    circlesByPatient.insert(circle, of: patients, in: circles)
    return circle
  }

  func circle(of patient: PatientID) -> CircleID? { circlesByPatient.own(patient, in: circles) }

  private mutating func drop(_ image: ImageKey) {
    let digest = ImageDigest(image)
    if let number = images.find(digest) { drop(images[number].circle) }
    for circle in dependents[digest] ?? [] { drop(circle) }
  }

  mutating func drop(circlesOf patient: PatientID) {
    for circle in circlesByPatient.circles(of: patient, in: circles) { drop(circle) }
  }

  mutating func drop(_ circle: CircleID) {
    guard let state = circles[Int(circle.number)] else { return }
    circlesByPatient.remove(circle, of: state.patients, in: circles)
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
    circlesOnEvents.remove(circle)
    let last = order.removeLast()
    if last != circle {
      order[Int(state.place)] = last
      circles[Int(last.number)]?.place = state.place
    }
  }

  private mutating func dropEverything() {
    images = ImageTable()
    cases = PreparedCases(limit: preparedLimit)
    circles = []
    freeCircles = []
    circlesByPatient = PatientTable()
    forms = PaperForms()
    circlesOnEvents = []
    dependents = [:]
    order = []
  }

  /// The rows stand; what decisions read of them is made anew.
  mutating func dropPrepared() {
    for row in cases.rows { images[row].prepared = ImageTable.none }
    cases = PreparedCases(limit: preparedLimit)
  }

  mutating func remember(_ identifier: Identifier, _ patients: [PatientID]) {
    if identifiers.count >= limit { identifiers.removeAll() }
    identifiers[identifier] = patients
  }
}
