internal import ConsentCore
internal import Foundation

/// How a person's name is compared: without case, accents, order of its parts or punctuation, so
/// that "DOE^JANE" finds "Jane Doé".
enum IdentityLookup {
  static func normalized(name: String) -> String {
    name.folding(
      options: [.diacriticInsensitive, .caseInsensitive, .widthInsensitive], locale: nil
    )
    .split { !$0.isLetter && !$0.isNumber }
    .map(String.init).sorted().joined(separator: " ")
  }

  /// The terms an identity can be found by, each unambiguous: they are hashed before storage.
  static func terms(of identity: PatientIdentity) -> [[UInt8]] {
    var terms = identity.identifiers.map(term(identifier:))
    terms.append(term(name: identity.displayName, birthDate: nil))
    if let birthDate = identity.birthDate {
      terms.append(term(name: identity.displayName, birthDate: birthDate))
    }
    return terms
  }

  static func term(identifier: Identifier) -> [UInt8] {
    var form = CanonicalBytes()
    form.append(UInt8(1))
    form.append(text: identifier.system)
    form.append(text: identifier.value)
    return form.bytes
  }

  static func term(name: String, birthDate: LocalDay?) -> [UInt8] {
    var form = CanonicalBytes()
    form.append(UInt8(2))
    form.append(text: normalized(name: name))
    if let birthDate { form.append(birthDate.daysSince1970) }
    return form.bytes
  }
}
