import ConsentCore
import Foundation
import Testing

/// One row of a decision table.
struct DecisionCase: Sendable, CustomTestStringConvertible {
  let table: String
  let name: String
  let scenario: String
  let setup: String
  let cells: [String]
  let at: String
  let expected: [String]

  var testDescription: String { table + " " + name + " at " + at }

  var request: CheckRequest {
    get throws {
      func cell<Element: NamedWord>(_ index: Int) throws -> Element? {
        cells[index] == "-" ? nil : try word(cells[index])
      }
      let role: RoleClass? = try cell(4)
      let more = Words(cells[7])
      return CheckRequest(
        image: try key(cells[0]), use: try cell(1), audience: try cell(2), channel: try cell(3),
        actor: try role.map {
          Actor(
            user: identifier(more["user"] ?? "u1"), role: $0,
            relationship: try cell(5) ?? .noneStated,
            memberOf: more.list("member").map(identifier))
        },
        recipient: cells[6] == "-" ? nil : party(cells[6]),
        patient: try more["patient"].map { try id($0) },
        emergency: try more["emergency"].map {
          EmergencyAttestation(
            attester: identifier("u1"), reason: $0, attested: try instant(at))
        })
    }
  }

  var caller: CallerLimits {
    get throws {
      let more = Words(cells[7])
      var caller = CallerLimits(seesPart2: true)
      if more["may-use"] != nil { caller.uses = try more.set("may-use") }
      if more["may-send"] != nil { caller.channels = try more.set("may-send") }
      if more["may-reach"] != nil { caller.audiences = try more.set("may-reach") }
      if more["part2"] == "hidden" { caller.seesPart2 = false }
      return caller
    }
  }

  func decision(_ facts: Facts) throws -> Decision {
    let caller = try caller
    return decide(try request, caller: caller, facts: facts, at: try instant(at))
      .masked(for: caller, holdsPart2: facts.organizationHoldsPart2)
  }

  /// Effect and primary reason exactly; a further reason must be among the further ones.
  func isMet(by decision: Decision) -> Bool {
    decision.effect.name == expected[0] && decision.primary.name == expected[1]
      && expected.dropFirst(2).allSatisfy { decision.further.map(\.name).contains($0) }
  }
}

enum DecisionTables {
  static let names = ["ladder", "papers", "denies", "scenarios", "part2", "merge", "lineage"]

  static func directory(_ file: String = #filePath) -> URL {
    URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Tables")
  }

  static func rows(_ name: String) throws -> [[String]] {
    let text = try String(
      contentsOf: directory().appendingPathComponent(name + ".tsv"), encoding: .utf8)
    return text.split(separator: "\n")
      .filter { !$0.hasPrefix("#") }
      .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
  }

  /// Named beginnings that cases share.
  static let setups: [String: String] = {
    var setups: [String: String] = [:]
    for row in (try? rows("setups")) ?? [] where row.count == 2 { setups[row[0]] = row[1] }
    return setups
  }()

  static let all: [DecisionCase] = names.flatMap { name in
    ((try? rows(name)) ?? []).map { row in
      precondition(row.count == 13, "\(name): \(row.count) columns in \(row[0])")
      return DecisionCase(
        table: name, name: row[0], scenario: row[1], setup: row[2], cells: Array(row[3...10]),
        at: row[11], expected: row[12].split(separator: " ").map(String.init))
    }
  }

  static func world(_ row: DecisionCase) throws -> World {
    try World(row.setup, named: setups)
  }
}
