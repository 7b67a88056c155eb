/// A word of a closed vocabulary, with its wire name: the case's own name in upper snake case.
public protocol NamedWord: CaseIterable {
  var name: String { get }
}

extension NamedWord {
  /// `nil` for a word the vocabulary does not hold.
  public init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }
}

extension Use: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Audience: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Channel: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Strength: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Intent: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Effect: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension GrantEffect: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension RecipientKind: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension RoleClass: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Relationship: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension ImageKind: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Claim: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension InstrumentKind: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension SignerCapacity: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension RevocationMethod: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension DefectElement: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension Requirement: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension RecordKind: NamedWord { public var name: String { upperSnakeCase("\(self)") } }
extension DeidentificationMethod: NamedWord {
  public var name: String { upperSnakeCase("\(self)") }
}
extension AuthorityEvidence.Finding: NamedWord {
  public var name: String { upperSnakeCase("\(self)") }
}

/// `InstrumentRecorded`, …: events keep the spelling of the specification.
extension EventKind: NamedWord {
  public var name: String {
    let word = "\(self)"
    return word.prefix(1).uppercased() + word.dropFirst()
  }
}

extension Obligation {
  public var name: String {
    switch self {
    case .removeBurnedInIdentifiers: "REMOVE_BURNED_IN_IDENTIFIERS"
    case .stripMetadata: "STRIP_METADATA"
    case .cropToRegion: "CROP_TO_REGION"
    case .limitToRecipient: "LIMIT_TO_RECIPIENT"
    case .askReceiverNotToRedisclose: "ASK_RECEIVER_NOT_TO_REDISCLOSE"
    case .part2Notice: "PART2_NOTICE"
    case .reviewWithin: "REVIEW_WITHIN"
    }
  }
}

/// `pacsViewer` to `PACS_VIEWER`; a digit stays with the letters before it.
func upperSnakeCase(_ word: String) -> String {
  var name = ""
  for character in word {
    if character.isUppercase { name.append("_") }
    name.append(contentsOf: character.uppercased())
  }
  return name
}
