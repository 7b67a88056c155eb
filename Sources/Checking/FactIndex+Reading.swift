internal import ConsentCore
internal import ConsentStore

/// What rows that were applied concern besides what they say: to be read before the index answers.
struct Unsettled: Sendable {
  /// The organization's own records changed at this position.
  var rules: UInt64?
  /// Patients whom a row joined with others, and where it did.
  var merges: [PatientID: UInt64] = [:]

  var isEmpty: Bool { rules == nil && merges.isEmpty }
}

// Reading for the index.
extension FactIndex {
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
      try follow(fill.rows, to: fill.head, holdsPart2: fill.rules.organizationHoldsPart2)
    } catch {
      return begin(with: fill)
    }
    guard let applied, isOfThisHistory(fill.head, reading.from) else { return begin(with: fill) }
    var later = passed.filter { $0.position > fill.head.position }.map { RowReach($0.event) }
    if deviation.isOn(.fillWithoutPosition) { later = [] }
    guard !later.contains(.everything) else { return }
    guard
      fill.rules.organizationHoldsPart2 == holdsPart2 || applied.position == fill.head.position
    else { return }
    settle(fill)
    for part in fill.parts where !later.contains(where: { $0.concerns(part) }) { insert(part) }
    if !passed.contains(where: {
      $0.position > fill.head.position && RowReach.changesIdentifiers($0.event)
    }) {
      for (identifier, patients) in fill.identifiers { remember(identifier, patients) }
    }
  }

  /// What rows up to the fill's head concern is known now.
  private mutating func settle(_ fill: FactFill) {
    for patient in fill.joined { drop(circlesOf: patient) }
    unsettled.merges = unsettled.merges.filter { $0.value > fill.head.position }
    guard let changed = unsettled.rules, changed <= fill.head.position else { return }
    unsettled.rules = nil
    let holdsPart2 = holdsPart2
    rules = fill.rules
    rules.organizationHoldsPart2 = holdsPart2
    dropPrepared()
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
    rules = fill.rules
    for part in fill.parts { insert(part) }
    for (identifier, patients) in fill.identifiers { remember(identifier, patients) }
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
    case .nothing, .rules: false
    // It does not say whom it joins.
    case .everything, .merge: true
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
