import ConsentCore
import ConsentProto
import SwiftProtobuf
import Testing

@testable import ConsentServer

/// Words on the wire and in the core are one list: same numbers, same names.
struct VocabularyTests {
  /// By enum and number, from the descriptors that clients compile.
  private let wireNames: [String: [Int: String]]

  init() throws {
    var names: [String: [Int: String]] = [:]
    for file in try DescriptorSet.files() {
      for list in file.enumType {
        for value in list.value { names[list.name, default: [:]][Int(value.number)] = value.name }
      }
    }
    wireNames = names
  }

  /// - Parameter more: how many words the wire has that this version's core does not.
  private func compare(
    _ list: String, _ words: [(number: Int, name: String)], prefix: String, more: Int = 0
  ) throws {
    let wire = try #require(wireNames[list])
    for word in words { #expect(wire[word.number] == prefix + word.name) }
    #expect(wire.count == words.count + 1 + more, "\(list)")
  }

  private func words<Word>(_ type: Word.Type) -> [(number: Int, name: String)]
  where Word: NamedWord & RawRepresentable, Word.RawValue: FixedWidthInteger {
    Word.allCases.map { (Int($0.rawValue), $0.name) }
  }

  @Test func everyWordHasItsNumberAndName() throws {
    try compare("Use", words(Use.self), prefix: "USE_")
    try compare("Audience", words(Audience.self), prefix: "AUDIENCE_")
    try compare("Channel", words(Channel.self), prefix: "CHANNEL_")
    try compare("ImageKind", words(ImageKind.self), prefix: "IMAGE_KIND_")
    try compare("InstrumentKind", words(InstrumentKind.self), prefix: "INSTRUMENT_KIND_")
    try compare("GrantEffect", words(GrantEffect.self), prefix: "GRANT_EFFECT_")
    try compare("RoleClass", words(RoleClass.self), prefix: "ROLE_CLASS_")
    try compare("Relationship", words(Relationship.self), prefix: "RELATIONSHIP_")
    try compare("RecipientKind", words(RecipientKind.self), prefix: "RECIPIENT_KIND_")
    try compare("Intent", words(Intent.self), prefix: "INTENT_")
    try compare("Effect", words(Effect.self), prefix: "EFFECT_")
    try compare("Strength", words(Strength.self), prefix: "STRENGTH_")
    try compare("RevocationMethod", words(RevocationMethod.self), prefix: "REVOCATION_METHOD_")
    try compare(
      "DeidentificationMethod", words(DeidentificationMethod.self),
      prefix: "DEIDENTIFICATION_METHOD_")
    try compare(
      "AuthorityFinding", words(AuthorityEvidence.Finding.self), prefix: "AUTHORITY_FINDING_")
  }

  @Test func everyReasonHasItsNumberAndName() throws {
    try compare(
      "Reason", Reason.allCases.map { (Int($0.rawValue), $0.name) }, prefix: "REASON_")
  }

  @Test func listsThatAreLongerOnTheWireAgreeInWhatTheyShare() throws {
    // An emancipated minor is read as the individual.
    try compare("SignerCapacity", words(SignerCapacity.self), prefix: "SIGNER_CAPACITY_", more: 1)
    // Grants, documents, copies, disclosures, reviews and use reports are no records of the core.
    try compare("RecordKind", words(RecordKind.self), prefix: "RECORD_KIND_", more: 6)
  }

  @Test func everyEventKindHasItsNumberAndName() throws {
    let wire = try #require(wireNames["EventKind"])
    for kind in EventKind.allCases {
      let name = try #require(wire[Int(kind.rawValue)])
      let words = name.dropFirst("EVENT_KIND_".count).split(separator: "_")
      let camel = words.map { $0.prefix(1) + $0.dropFirst().lowercased() }.joined()
      #expect(camel == kind.name)
    }
  }

  @Test func everyElementOfAPaperIsOnTheWire() throws {
    let wire = try #require(wireNames["InstrumentElement"])
    for element in DefectElement.allCases { #expect(wire[Int(element.rawValue)] != nil) }
  }

  @Test func everyObligationIsItsKindBothWays() {
    for kind in Consent_V1_ObligationKind.allCases where kind != .unspecified {
      guard kind != .reviewWithin else { continue }
      #expect(Obligation(kind)?.kind == kind)
    }
    #expect(Obligation.reviewWithin(hours: 72).kind == .reviewWithin)
  }
}
