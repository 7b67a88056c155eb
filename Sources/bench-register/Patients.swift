import ConsentCore
import ConsentStore

/// A repeatable source of random numbers (SplitMix64, Steele, Lea and Flood 2014).
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func id<Subject>() -> ID<Subject> { ID(high: next(), low: next()) }
}

/// One invented patient: images, and at most one paper of up to 20 lines. Of the images that are
/// registered, 10 of 11 permit the use that the benchmark asks about.
struct BenchPatient {
  var id: PatientID
  var images: [ImageRecord] = []
  var paper: Instrument?
  var isPermitted: Bool

  static let journal = Party(
    kind: .venue, identifier: Identifier(system: "urn:issn", value: "1234-5678"),
    name: "Journal of Films")
  static let bornOn = LocalDay(year: 1970, month: 5, day: 5)

  /// - Parameters:
  ///   - number: of its first image; the others follow.
  ///   - today: the day of the import; papers were signed 30 days before.
  init(firstImage number: Int, limit: Int, now: Instant, today: LocalDay, dice: inout Dice) {
    id = dice.id()
    isPermitted = Int.random(in: 0..<1_000, using: &dice) < 909
    let count = min(limit, Int.random(in: 1...19, using: &dice))
    for index in 0..<count {
      images.append(image(number + index, study: number + index / 4 * 4, today, &dice))
    }
    let signed = LocalDay(daysSince1970: today.daysSince1970 - 30)
    let context = PaperContext(
      signed: signed, start: Instant(microseconds: now.microseconds - 30 * .microsecondsPerDay),
      last: LocalDay(daysSince1970: today.daysSince1970 + 700),
      end: Instant(microseconds: now.microseconds + 701 * .microsecondsPerDay))
    if isPermitted {
      let first = context.grant(id: dice.id(), effect: .permit, scope: .patient)
      paper = context.paper(of: id, .authorization, [first] + others(context, &dice), &dice)
    } else {
      switch Int.random(in: 0..<3, using: &dice) {
      case 0: paper = nil
      case 1:
        let deny = context.grant(id: dice.id(), effect: .deny, scope: .patient)
        paper = context.paper(of: id, .refusal, [deny], &dice)
      default:
        let lines = others(context, &dice)
        paper = lines.isEmpty ? nil : context.paper(of: id, .authorization, lines, &dice)
      }
    }
  }

  /// Lines for other receivers, 0 to 19, most papers few.
  private func others(_ context: PaperContext, _ dice: inout Dice) -> [Grant] {
    var lines: [Grant] = []
    while lines.count < 19, Int.random(in: 0..<10, using: &dice) < 6 {
      let image = images.randomElement(using: &dice)
      let scopes: [Scope] = [
        .patient, image?.studyUID.map { .study(uid: $0) } ?? .patient,
        image.map { .image($0.key) } ?? .patient,
      ]
      var line = context.grant(
        id: dice.id(), effect: .permit, scope: scopes.randomElement(using: &dice) ?? .patient)
      line.recipients = [
        Party(
          kind: .organization,
          identifier: Identifier(
            system: "urn:oid", value: "\(Int.random(in: 1...500, using: &dice))"))
      ]
      lines.append(line)
    }
    return lines
  }

  private func image(
    _ number: Int, study: Int, _ today: LocalDay, _ dice: inout Dice
  ) -> ImageRecord {
    ImageRecord(
      recordID: dice.id(), key: .sopInstance(Self.uid(number)), patient: id, kind: .dicomInstance,
      studyUID: Self.uid(study) + ".1", seriesUID: Self.uid(study) + ".2",
      sopClassUID: "1.2.840.10008.5.1.4.1.1.1.1", modality: "DX", bodyPart: "CHEST",
      acquiredDay: LocalDay(
        daysSince1970: today.daysSince1970 - Int32.random(in: 40...2_000, using: &dice)),
      department: "Radiology", site: "Main")
  }

  /// All of one length, so that the load client can put one in place of another.
  static func uid(_ number: Int) -> String {
    "1.2.826.0.1.3680043.10.9999.\(1_000_000_000 + number)"
  }

  /// The changes as the service would make them, one after the other.
  func changes(clock: CommandClock, dice: inout Dice) throws -> [Change] {
    var builder = ChangeBuilder(facts: Facts(), clock: clock)
    var changes: [Change] = []
    func add(_ change: Change) {
      builder.insert(change)
      changes.append(change)
    }
    add(
      try builder.registerPatient(
        PatientRecord(
          recordID: dice.id(), id: id, version: 1, majority: nil, timeZoneDataVersion: "bench")))
    for image in images { add(try builder.registerImage(image)) }
    if let paper { add(try builder.recordInstrument(paper)) }
    return changes
  }
}

/// What the papers of one import share.
struct PaperContext {
  var signed: LocalDay
  var start: Instant
  var last: LocalDay
  var end: Instant

  func grant(id: GrantID, effect: GrantEffect, scope: Scope) -> Grant {
    Grant(
      id: id, effect: effect, scope: scope, uses: [.education], audiences: [.external],
      recipients: effect == .permit ? [BenchPatient.journal] : [], effectiveFrom: start,
      expiry: effect == .permit ? .date(last, until: end) : .none)
  }

  func paper(
    of patient: PatientID, _ kind: InstrumentKind, _ lines: [Grant], _ dice: inout Dice
  ) -> Instrument {
    Instrument(
      id: dice.id(), patient: patient, kind: kind,
      statements: Statements(rightToRevoke: true, conditioning: true, redisclosure: true),
      informationDescription: "chest films", signer: Signer(capacity: .individual),
      signed: SignedTime(day: signed), receivedDay: signed, received: start, grants: lines)
  }
}
