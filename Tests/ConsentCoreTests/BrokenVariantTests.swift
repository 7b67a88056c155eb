import ConsentCore
import Testing

/// The tables can fail: each rule that matters for safety, left out, breaks at least one row.
@Suite struct BrokenVariantTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let drop: @Sendable (inout Facts) -> Void

    init(_ name: String, drop: @escaping @Sendable (inout Facts) -> Void) {
      testDescription = name
      self.drop = drop
    }
  }

  static let variants = [
    Variant("revocations ignored") { $0.revocations = [] },
    Variant("entries in error ignored") { $0.enteredInError = [] },
    Variant("false information ignored") { $0.falseInformation = [] },
    Variant("authority evidence ignored") { $0.authorityEvidence = [] },
    Variant("ends of restrictions ignored") { $0.restrictionEnds = [] },
    Variant("expiry events ignored") { $0.expiryEventResolutions = [] },
    Variant("withdrawals ignored") { $0.determinationWithdrawals = [] },
    Variant("merges ignored") { $0.merges = [] },
    Variant("unmerges ignored") { $0.unmerges = [] },
    Variant("unreadable records ignored") { $0.unevaluable = [] },
    Variant("policies ignored") { $0.policies = [] },
    Variant("refusals ignored") { $0.instruments.removeAll { $0.kind == .refusal } },
    Variant("restrictions ignored") { $0.instruments.removeAll { $0.kind == .restrictionAgreed } },
    Variant("defects ignored") {
      for index in $0.instruments.indices { $0.instruments[index].defects = [] }
    },
    Variant("Part 2 marks ignored") {
      for index in $0.images.indices { $0.images[index].part2 = nil }
    },
    Variant("lineage ignored") {
      for index in $0.images.indices { $0.images[index].sources = [] }
    },
    Variant("claims ignored") {
      for index in $0.images.indices { $0.images[index].claims = .init() }
    },
    Variant("majority ignored") {
      for index in $0.patients.indices { $0.patients[index].majority = .distantFuture }
    },
    Variant("corrections ignored") { $0.images.removeAll { $0.version > 1 } },
  ]

  @Test(arguments: variants)
  func theTablesCatchIt(_ variant: Variant) throws {
    let caught = try DecisionTables.all.filter { row in
      var facts = try DecisionTables.world(row).facts
      variant.drop(&facts)
      return !row.isMet(by: try row.decision(facts))
    }
    #expect(!caught.isEmpty)
  }

  @Test func theTablesCatchAClosedInterval() throws {
    // One microsecond early is what a closed end, or an open beginning, amounts to.
    let caught = try DecisionTables.all.filter { row in
      let facts = try DecisionTables.world(row).facts
      let early = try instant(row.at).adding(microseconds: -1)
      return !row.isMet(
        by: decide(try row.request, caller: try row.caller, facts: facts, at: early))
    }
    #expect(caught.count > 10)
  }
}
