import ArgumentParser
import ConsentProto
import Foundation
import SwiftProtobuf

/// The question of a check, as options.
struct QuestionOptions: ParsableArguments {
  @Option(help: "SOP Instance UID, or sha256:<hex> for a photo or scan.")
  var image: String

  @Option(help: "\(Words.all(Consent_V1_Use.self).joined(separator: " | ")).")
  var use: String

  @Option(help: "\(Words.all(Consent_V1_Audience.self).joined(separator: " | ")).")
  var audience: String

  @Option(help: "\(Words.all(Consent_V1_Channel.self).joined(separator: " | ")).")
  var channel: String

  @Option(help: "Who is about to use it: system|value.")
  var user: String

  @Option(help: "\(Words.all(Consent_V1_RoleClass.self).joined(separator: " | ")).")
  var role: String

  @Option(help: "\(Words.all(Consent_V1_Relationship.self).joined(separator: " | ")).")
  var relationship = "none-stated"

  @Option(help: "Who receives it, where somebody else does: kind:system|value (person, venue ...).")
  var recipient: String?

  @Option(help: "The patient it must be of: an id, or system|value.")
  var patient: String?

  @Option(help: "Attests an emergency, in words; the override is reviewed.")
  var emergency: String?

  @Flag(help: "Only asks which buttons to show; logged, not counted as use.")
  var preview = false

  func request() throws -> Consent_V1_UseRequest {
    var request = Consent_V1_UseRequest()
    request.image = try Keys.image(image)
    request.use = try Words.value(use, field: "--use")
    request.audience = try Words.value(audience, field: "--audience")
    request.channel = try Words.value(channel, field: "--channel")
    request.actor.user = try Keys.identifier(user, field: "--user")
    request.actor.roleClass = try Words.value(role, field: "--role")
    request.actor.relationship = try Words.value(relationship, field: "--relationship")
    request.intent = preview ? .preview : .use
    if let recipient { request.recipient = try Keys.party(recipient, field: "--recipient") }
    if let patient { request.patient = try Keys.patient(patient) }
    if let emergency {
      request.emergency.attester = request.actor.user
      request.emergency.statement = emergency
      request.emergency.attestedAt = .init(date: .now)
    }
    return request
  }
}

struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Asks whether an image may be used, for this use, now.",
    discussion: """
      Exits 0 on PERMIT and 3 on DENY; anything else is no answer. A PERMIT is for one use, now.

      Example:
        consentctl check --image 1.2.840.113619.2.1 --use education --audience external \\
          --channel publication --user 'urn:staff|jdoe' --role clinician \\
          --relationship care-team --recipient 'venue:urn:issn|1234-5678'
      """)

  @OptionGroup var question: QuestionOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let decision = try await reporting {
      var request = Consent_V1_CheckRequest()
      request.request = try question.request()
      let answer: Consent_V1_CheckResponse = try await server.connected(as: .checker) {
        try await $0.unary("CheckService/Check", request)
      }
      return answer.decision
    }
    print(server.json ? try decision.json() : decision.text())
    if decision.effect != .permit { throw ExitCode.denied }
  }
}

struct ExplainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Takes a logged decision again, from the facts as they were known then.",
    discussion: "Example:\n  consentctl explain 5f0c…:17")

  @Argument(help: "The decision id, as check printed it.")
  var decision: String

  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_ExplainRequest()
      request.decisionID = decision
      let answer: Consent_V1_ExplainResponse = try await server.connected(as: .auditor) {
        try await $0.unary("CheckService/Explain", request)
      }
      guard !server.json else { return print(try answer.json()) }
      print(answer.decision.text())
      for rung in answer.ladder {
        let outcome = rung.effect == .unspecified ? "passes on" : Words.word(rung.effect)
        print("  \(Words.word(rung.rung)): \(outcome) \(Words.upper(rung.reason))")
      }
      if answer.restsOnRecordInError {
        print("  it rested on a record that was entered in error since; the answer stands as given")
      }
    }
  }
}
