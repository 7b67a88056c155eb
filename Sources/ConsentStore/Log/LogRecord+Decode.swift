internal import ConsentCore

extension LogRecord {
  /// `nil` unless `bytes` is exactly the form that `bytes` gives of some record. Never traps.
  public init?(_ bytes: some Collection<UInt8>) {
    var reader = CanonicalReader(ArraySlice(bytes))
    guard let record = try? LogRecord(&reader), reader.isAtEnd else { return nil }
    self = record
  }

  private init(_ reader: inout CanonicalReader) throws(CanonicalReader.Malformed) {
    let header = try LogRecordHeader(&reader)
    guard header.kind == Self.kind else { throw CanonicalReader.Malformed() }
    organization = header.organization
    id = header.id
    head = header.head
    entry = try DecisionEntry(&reader)
  }
}

private typealias Malformed = CanonicalReader.Malformed

extension DecisionEntry {
  fileprivate init(_ reader: inout CanonicalReader) throws(Malformed) {
    self.init(
      caller: try reader.text(),
      limits: CallerLimits(
        uses: try reader.set(), audiences: try reader.set(), channels: try reader.set(),
        seesPart2: try reader.flag()),
      request: try CheckRequest(&reader), decision: try Decision(&reader),
      patient: try reader.optional { reader throws(Malformed) in try reader.id() },
      group: try reader.optional { reader throws(Malformed) in
        GroupEntry(
          images: try reader.list { reader throws(Malformed) in try reader.image() },
          expectedCount: try reader.optional { reader throws(Malformed) in try reader.number() },
          differing: try reader.list { reader throws(Malformed) in
            Differing(
              image: try reader.image(), effect: try reader.word(), reason: try reader.word())
          })
      })
  }
}

extension CheckRequest {
  fileprivate init(_ reader: inout CanonicalReader) throws(Malformed) {
    self.init(
      image: try reader.image(), use: try reader.optionalWord(),
      audience: try reader.optionalWord(), channel: try reader.optionalWord(),
      actor: try reader.optional { reader throws(Malformed) in
        Actor(
          user: try reader.identifier(), role: try reader.word(), npi: try reader.optionalText(),
          relationship: try reader.word(), memberOf: try reader.identifiers())
      },
      recipient: try reader.optional { reader throws(Malformed) in
        Party(
          kind: try reader.word(),
          identifier: try reader.optional { reader throws(Malformed) in
            try reader.identifier()
          },
          name: try reader.optionalText(), address: try reader.optionalText(),
          memberOf: try reader.identifiers())
      },
      intent: try reader.word(),
      patient: try reader.optional { reader throws(Malformed) in try reader.id() },
      encounter: try reader.optionalText(), order: try reader.optionalText(),
      workstation: try reader.optionalText(), correlation: try reader.optionalText(),
      emergency: try reader.optional { reader throws(Malformed) in
        EmergencyAttestation(
          attester: try reader.identifier(), reason: try reader.text(),
          attested: try reader.instant())
      })
  }
}

extension Decision {
  fileprivate init(_ reader: inout CanonicalReader) throws(Malformed) {
    self.init(
      effect: try reader.word(), primary: try reader.word(),
      further: try reader.list { reader throws(Malformed) in try reader.word() },
      records: try reader.list { reader throws(Malformed) in try DecidingRecord(&reader) },
      obligations: try reader.list { reader throws(Malformed) in try Obligation(&reader) },
      policyVersion: try reader.number(),
      validUntil: try reader.optional { reader throws(Malformed) in try reader.instant() },
      at: try reader.instant(), position: try reader.integer(),
      rulesVersion: try reader.number())
  }
}

extension DecidingRecord {
  fileprivate init(_ reader: inout CanonicalReader) throws(Malformed) {
    self.init(
      part: try reader.word(),
      record: RecordReference(kind: try reader.word(), id: try reader.id()),
      grant: try reader.optional { reader throws(Malformed) in try reader.id() },
      version: try reader.number(), reason: try reader.word(),
      defects: try reader.list { reader throws(Malformed) in try reader.word() },
      isPart2: try reader.flag())
  }
}

extension Obligation {
  fileprivate init(_ reader: inout CanonicalReader) throws(Malformed) {
    switch try reader.byte() {
    case 1: self = .removeBurnedInIdentifiers
    case 2: self = .stripMetadata
    case 3: self = .cropToRegion
    case 4: self = .limitToRecipient
    case 5: self = .askReceiverNotToRedisclose
    case 6: self = .part2Notice
    case Self.reviewWithinCode: self = .reviewWithin(hours: try reader.number())
    default: throw Malformed()
    }
  }
}

extension CanonicalReader {
  fileprivate mutating func image() throws(Malformed) -> ImageKey {
    let key: ImageKey? =
      switch try byte() {
      case 1: ImageKey(sopInstanceUID: try text())
      case 2: ImageKey(text: "sha256:" + (try text()))
      default: nil
      }
    guard let key else { throw Malformed() }
    return key
  }

  fileprivate mutating func identifier() throws(Malformed) -> Identifier {
    Identifier(system: try text(), value: try text())
  }

  fileprivate mutating func identifiers() throws(Malformed) -> [Identifier] {
    try list { reader throws(Malformed) in try reader.identifier() }
  }
}
