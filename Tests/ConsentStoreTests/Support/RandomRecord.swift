import ConsentCore
import ConsentStore

/// Log records of every shape, also such as no decision would make.
enum RandomRecord {
  static func record(using g: inout SeededGenerator) -> LogRecord {
    LogRecord(
      organization: id(&g), id: DecisionID(log: id(&g), leaf: g.next() >> 1),
      head: FeedHead(
        position: g.next() >> 1, chain: (0..<32).map { _ in UInt8.random(in: 0...255, using: &g) },
        known: instant(&g), factPosition: g.next() >> 1),
      entry: entry(using: &g))
  }

  static func entry(using g: inout SeededGenerator) -> DecisionEntry {
    DecisionEntry(
      caller: text(&g),
      limits: CallerLimits(
        uses: set(&g), audiences: set(&g), channels: set(&g), seesPart2: .random(using: &g)),
      request: request(&g), decision: decision(&g), patient: maybe(&g) { id(&$0) },
      group: maybe(&g) { g in
        DecisionEntry.GroupEntry(
          images: list(&g, 40) { image(&$0) },
          expectedCount: maybe(&g) { Int.random(in: -2...5_000, using: &$0) },
          differing: list(&g, 9) {
            .init(image: image(&$0), effect: word(&$0), reason: word(&$0))
          })
      })
  }

  private static func request(_ g: inout SeededGenerator) -> CheckRequest {
    CheckRequest(
      image: image(&g), use: maybe(&g) { word(&$0) }, audience: maybe(&g) { word(&$0) },
      channel: maybe(&g) { word(&$0) },
      actor: maybe(&g) { g in
        Actor(
          user: identifier(&g), role: word(&g), npi: maybe(&g) { text(&$0) },
          relationship: word(&g), memberOf: list(&g, 3) { identifier(&$0) })
      },
      recipient: maybe(&g) { g in
        Party(
          kind: word(&g), identifier: maybe(&g) { identifier(&$0) },
          name: maybe(&g) { text(&$0) }, address: maybe(&g) { text(&$0) },
          memberOf: list(&g, 3) { identifier(&$0) })
      },
      intent: word(&g), patient: maybe(&g) { id(&$0) }, encounter: maybe(&g) { text(&$0) },
      order: maybe(&g) { text(&$0) }, workstation: maybe(&g) { text(&$0) },
      correlation: maybe(&g) { text(&$0) },
      emergency: maybe(&g) { g in
        EmergencyAttestation(
          attester: identifier(&g), reason: text(&g), attested: instant(&g))
      })
  }

  private static func decision(_ g: inout SeededGenerator) -> Decision {
    Decision(
      effect: word(&g), primary: word(&g), further: list(&g, 4) { word(&$0) },
      records: list(&g, 16) { g in
        DecidingRecord(
          part: word(&g), record: RecordReference(kind: word(&g), id: id(&g)),
          grant: maybe(&g) { id(&$0) }, version: Int.random(in: -1...900, using: &g),
          reason: word(&g), defects: list(&g, 5) { word(&$0) }, isPart2: .random(using: &g))
      },
      obligations: list(&g, 5) { g in
        [
          .removeBurnedInIdentifiers, .stripMetadata, .cropToRegion, .limitToRecipient,
          .askReceiverNotToRedisclose, .part2Notice,
          .reviewWithin(hours: Int.random(in: .min ... .max, using: &g)),
        ].randomElement(using: &g) ?? .stripMetadata
      },
      policyVersion: Int.random(in: 0...70_000, using: &g), validUntil: maybe(&g) { instant(&$0) },
      at: instant(&g), position: g.next() >> 1, rulesVersion: Int.random(in: 0...9, using: &g))
  }

  private static func maybe<Value>(
    _ g: inout SeededGenerator, _ value: (inout SeededGenerator) -> Value
  ) -> Value? {
    Bool.random(using: &g) ? value(&g) : nil
  }

  private static func list<Value>(
    _ g: inout SeededGenerator, _ most: Int, _ value: (inout SeededGenerator) -> Value
  ) -> [Value] {
    (0..<Int.random(in: 0...most, using: &g)).map { _ in value(&g) }
  }

  private static func word<Word: CaseIterable>(_ g: inout SeededGenerator) -> Word {
    let all = Array(Word.allCases)
    return all[Int.random(in: all.indices, using: &g)]
  }

  private static func set<Element>(_ g: inout SeededGenerator) -> ClosedSet<Element> {
    ClosedSet(Element.allCases.filter { _ in Bool.random(using: &g) })
  }

  private static func id<Subject>(_ g: inout SeededGenerator) -> ID<Subject> {
    ID(high: g.next(), low: g.next())
  }

  private static func instant(_ g: inout SeededGenerator) -> Instant {
    Instant(microseconds: Int64(truncatingIfNeeded: g.next()))
  }

  private static func identifier(_ g: inout SeededGenerator) -> Identifier {
    Identifier(system: text(&g), value: text(&g))
  }

  private static func image(_ g: inout SeededGenerator) -> ImageKey {
    if Bool.random(using: &g) {
      return .sopInstance("1.2.840." + String(g.next()))
    }
    let digits = (0..<64).map { _ in "0123456789abcdef".randomElement(using: &g) ?? "0" }
    return .sha256(String(digits))
  }

  private static func text(_ g: inout SeededGenerator) -> String {
    let letters = "abc XYZ 019 äöü 漢字 \u{0} \u{1F469}\u{200D}\u{2695}"
    let count = [0, 1, 5, 40, 130, 300][Int.random(in: 0..<6, using: &g)]
    return String((0..<count).map { _ in letters.randomElement(using: &g) ?? "a" })
  }
}
