import ConsentCore

/// A register as it was written: records in the order of their positions.
struct RandomRegister {
  var records: [Record] = []
  var unevaluable: [UnevaluableRecord] = []

  var lastPosition: UInt64 { UInt64(records.count + unevaluable.count) }

  var lastRecorded: Instant {
    max(
      records.map(\.stamp.recorded).max() ?? .distantPast,
      unevaluable.map(\.stamp.recorded).max() ?? .distantPast)
  }

  var facts: Facts { facts(upTo: lastPosition) }

  /// What was known at a feed position.
  func facts(upTo position: UInt64) -> Facts {
    var facts = Facts()
    for record in records where record.stamp.position <= position { facts.insert(record) }
    facts.unevaluable = unevaluable.filter { $0.stamp.position <= position }
    for record in facts.unevaluable { facts.position = max(facts.position, record.stamp.position) }
    return facts
  }

  var grants: [(instrument: Instrument, grant: Grant)] {
    records.flatMap { record -> [(Instrument, Grant)] in
      guard case .instrument(let paper) = record else { return [] }
      return paper.grants.map { (paper, $0) }
    }
  }

  var imageKeys: [ImageKey] {
    var keys: [ImageKey] = []
    for case .image(let image) in records where !keys.contains(image.key) { keys.append(image.key) }
    return keys
  }
}

/// The small world that random registers live in: so few instants, parties and identifiers that
/// they collide all the time, for it is at boundaries that decisions go wrong.
enum SmallWorld {
  static let firstDay: Int32 = 20_600
  static let dayCount = 6

  static func day(_ index: Int) -> LocalDay {
    LocalDay(daysSince1970: firstDay + Int32(index))
  }

  /// Midnight of a day (the organization keeps UTC here).
  static func midnight(_ index: Int) -> Instant {
    Instant(microseconds: Int64(firstDay + Int32(index)) * .microsecondsPerDay)
  }

  /// Midnights and noons.
  static let ticks: [Instant] = (0...(2 * dayCount)).map {
    midnight(0).adding(microseconds: Int64($0) * 12 * .microsecondsPerHour)
  }

  static func dayIndex(of instant: Instant) -> Int {
    Int((instant.microseconds - midnight(0).microseconds) / .microsecondsPerDay)
  }

  static func identifier(_ value: String) -> Identifier {
    Identifier(system: "urn:example", value: value)
  }

  static let surgeon = identifier("surgeon")
  static let teacher = identifier("teacher")
  static let hospital = identifier("hospital")
  static let residents = identifier("residents")
  static let journal = identifier("journal")
  static let vendor = identifier("vendor")
  static let unit = identifier("unit")
  static let otherUnit = identifier("other-unit")

  static let parties: [Party] = [
    Party(kind: .person, identifier: surgeon),
    Party(kind: .person, identifier: teacher),
    Party(kind: .organization, identifier: hospital),
    Party(kind: .class, identifier: residents),
    Party(kind: .venue, identifier: journal),
    Party(kind: .organization, identifier: vendor),
    Party(kind: .person, identifier: nil, name: "someone"),
  ]
}
