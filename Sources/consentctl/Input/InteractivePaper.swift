import ConsentProto
import SwiftProtobuf

/// Asks for a paper element by element, in the order of the form.
struct InteractivePaper {
  static func ask() throws -> Paper {
    let patient = try Terminal.ask("Patient (id, or system|value)")
    let birth = try Terminal.ask("Second identifier: birth date (YYYY-MM-DD)")
    let kind = try choice("Kind", Consent_V1_InstrumentKind.self, default: "authorization")
    let information = try Terminal.ask("What information does it describe")
    let statements = Paper.Statements(
      rightToRevoke: try yesNo("Does it state the right to revoke, and how"),
      conditioning: try yesNo("Does it state whether treatment is conditioned on signing"),
      redisclosure: try yesNo("Does it state that the information may be redisclosed"))
    let capacity = try choice(
      "Who signed", Consent_V1_SignerCapacity.self, default: "individual")
    let authority =
      capacity == "individual"
      ? nil : try Terminal.ask("Authority as described on the paper (leave blank if it is blank)")
    let signature = try yesNo("Is it signed")
    let signed = try Terminal.ask("Signed on (YYYY-MM-DD, blank if there is no date)")
    var grants: [Paper.Grant] = []
    repeat {
      grants.append(try line())
    } while try Terminal.confirm("Another line")
    return Paper(
      patient: patient, second: Paper.Second(birthDate: birth.isEmpty ? nil : birth),
      kind: kind, statements: statements,
      signer: Paper.Signer(capacity: capacity, authority: authority),
      signed: signed.isEmpty ? nil : signed, signaturePresent: signature,
      information: information, grants: grants)
  }

  private static func line() throws -> Paper.Grant {
    let effect = try choice(
      "Does this line allow or exclude", Consent_V1_GrantEffect.self,
      default: "permit")
    let scope = try Terminal.ask(
      "Of what: patient, study:<uid>, series:<uid> or image:<uid>",
      default: "patient")
    var grant = Paper.Grant(effect: effect, scope: try Self.scope(scope))
    grant.presentOnly = try !Terminal.confirm("Does it cover future images too")
    grant.uses = try choices("For which uses", Consent_V1_Use.self)
    grant.audiences = try choices("For which audiences", Consent_V1_Audience.self)
    grant.recipients = try parties("To whom (kind:system|value, commas between, or blank)")
    grant.disclosers = try parties(
      "Who may disclose (kind:system|value, blank for this organization)")
    let until = try Terminal.ask("Until (YYYY-MM-DD, majority, none, event:<id>, blank if missing)")
    grant.until = until.isEmpty ? nil : until
    return grant
  }

  private static func scope(_ text: String) throws -> Paper.Scope {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    switch (parts.first, parts.count > 1 ? parts[1] : nil) {
    case ("patient", nil): return Paper.Scope()
    case ("study", let uid?): return Paper.Scope(study: uid)
    case ("series", let uid?): return Paper.Scope(series: uid)
    case ("image", let uid?): return Paper.Scope(image: uid)
    default:
      throw CommandFailure.data("scope: write patient, study:<uid>, series:<uid> or image:<uid>")
    }
  }

  private static func choice<Value: Enum & CaseIterable>(
    _ question: String, _: Value.Type, default fallback: String? = nil
  ) throws -> String {
    let words = Words.all(Value.self)
    while true {
      let answer = try Terminal.ask(
        question + " (" + words.joined(separator: ", ") + ")", default: fallback)
      if words.contains(answer) { return answer }
      standardError("  not one of them\n")
    }
  }

  private static func choices<Value: Enum & CaseIterable>(
    _ question: String, _: Value.Type
  ) throws -> [String] {
    let words = Words.all(Value.self)
    while true {
      let answers = try Terminal.ask(
        question + " (" + words.joined(separator: ", ") + "; commas between)"
      ).split(separator: ",").map { $0.trimmingPrefix(" ").trimmingSuffix(" ") }
      if answers.allSatisfy(words.contains) { return answers }
      standardError("  not among them: use these words\n")
    }
  }

  private static func parties(_ question: String) throws -> [Paper.Party] {
    try Terminal.ask(question).split(separator: ",").map { text in
      let party = try Keys.party(
        text.trimmingPrefix(" ").trimmingSuffix(" "), field: "recipient")
      return Paper.Party(
        kind: Words.word(party.kind), system: party.identifier.system,
        value: party.identifier.value)
    }
  }

  private static func yesNo(_ question: String) throws -> Bool? {
    while true {
      switch try Terminal.ask(question + " (y/n, blank if you cannot tell)").lowercased() {
      case "y", "yes": return true
      case "n", "no": return false
      case "": return nil
      default: standardError("  y or n\n")
      }
    }
  }
}

extension StringProtocol {
  fileprivate func trimmingSuffix(_ character: Character) -> String {
    var text = String(self)
    while text.last == character { text.removeLast() }
    return text
  }
}
