import ConsentCore

/// The question of a CheckRequest that is complete and without fault, read out of its bytes.
///
/// Made messages of SwiftProtobuf cost more than the whole decision, and most requests hold the same
/// dozen fields. Whatever is lacking, faulty, rare or unknown is not read here but by `RequestReader`,
/// which alone knows what is said of it.
///
/// INVARIANT: where this gives a question, `RequestReader.completeQuestion` gives the same one without
/// a violation; a property test holds them against each other.
struct FamiliarCheck {
  let question: Question
  let minPosition: KnownPosition?

  /// `nil` for a request that is to be read the long way.
  init?(_ bytes: [UInt8], deviation: ProtobufCursor.Deviation? = nil) {
    var cursor = ProtobufCursor(bytes, deviation: deviation)
    do throws(Unfamiliar) {
      var question: Question?
      var minPosition: KnownPosition?
      while let tag = try cursor.next() {
        switch tag {
        case Tag.message(1): question = try cursor.message(Self.question)
        case Tag.message(15): minPosition = try cursor.message(Self.position)
        default: return nil
        }
      }
      guard let question else { return nil }
      self.question = question
      self.minPosition = minPosition
    } catch {
      return nil
    }
  }

  /// UseRequest. An attestation of an emergency is rare, and depends on the time.
  private static func question(_ cursor: inout ProtobufCursor) throws(Unfamiliar) -> Question {
    var image: ImageKey?
    var use: Use?
    var audience: Audience?
    var channel: Channel?
    var actor: Actor?
    var recipient: Party?
    var intent = Intent.use
    var patient: PatientName?
    var encounter: String?
    var order: String?
    var workstation: String?
    var correlation: String?
    while let tag = try cursor.next() {
      switch tag {
      case Tag.message(1): image = try cursor.message(imageKey)
      case Tag.number(2): use = try known(Use(rawValue: try cursor.word()))
      case Tag.number(3): audience = try known(Audience(rawValue: try cursor.word()))
      case Tag.number(4): channel = try known(Channel(rawValue: try cursor.word()))
      case Tag.message(5): actor = try cursor.message(Self.actor)
      case Tag.message(6): recipient = try cursor.message(party)
      case Tag.number(7): intent = try known(Intent(rawValue: try cursor.word()))
      case Tag.message(8): patient = try cursor.message(patientName)
      case Tag.message(9): encounter = try cursor.line()
      case Tag.message(10): order = try cursor.line()
      case Tag.message(11): workstation = try cursor.line()
      case Tag.message(12): correlation = try cursor.line()
      default: throw Unfamiliar()
      }
    }
    guard let image, let use, let audience, let channel, let actor,
      recipient != nil || !audience.needsRecipient
    else { throw Unfamiliar() }
    var question = Question(
      request: CheckRequest(
        image: image, use: use, audience: audience, channel: channel, actor: actor,
        recipient: recipient, intent: intent, encounter: encounter, order: order,
        workstation: workstation, correlation: correlation))
    switch patient {
    case nil: break
    case .id(let id)?: question.request.patient = id
    case .identifier(let identifier)?: question.patientIdentifier = identifier
    }
    return question
  }

  private static func imageKey(_ cursor: inout ProtobufCursor) throws(Unfamiliar) -> ImageKey {
    switch try cursor.next() {
    case Tag.message(1): try known(ImageKey(sopInstanceUID: try cursor.line()))
    case Tag.message(2): try known(ImageKey(sha256: try cursor.bytes(32)))
    default: throw Unfamiliar()
    }
  }

  private static func actor(_ cursor: inout ProtobufCursor) throws(Unfamiliar) -> Actor {
    var user: Identifier?
    var role: RoleClass?
    var npi: String?
    var relationship = Relationship.noneStated
    var memberOf: [Identifier] = []
    while let tag = try cursor.next(repeated: Tag.message(5)) {
      switch tag {
      case Tag.message(1): user = try cursor.message(identifier)
      case Tag.number(2): role = try known(RoleClass(rawValue: try cursor.word()))
      case Tag.message(3): npi = try tenDigits(try cursor.line())
      case Tag.number(4): relationship = try known(Relationship(rawValue: try cursor.word()))
      case Tag.message(5): memberOf.append(try cursor.message(identifier))
      default: throw Unfamiliar()
      }
    }
    guard let user, let role, memberOf.count <= mostMemberships else { throw Unfamiliar() }
    return Actor(
      user: user, role: role, npi: npi, relationship: relationship, memberOf: memberOf)
  }

  private static func party(_ cursor: inout ProtobufCursor) throws(Unfamiliar) -> Party {
    var kind: RecipientKind?
    var identifier: Identifier?
    var name: String?
    var address: String?
    var memberOf: [Identifier] = []
    while let tag = try cursor.next(repeated: Tag.message(5)) {
      switch tag {
      case Tag.number(1): kind = try known(RecipientKind(rawValue: try cursor.word()))
      case Tag.message(2): identifier = try cursor.message(Self.identifier)
      case Tag.message(3): name = try cursor.line()
      // One of several lines goes the long way.
      case Tag.message(4): address = try cursor.line()
      case Tag.message(5): memberOf.append(try cursor.message(Self.identifier))
      default: throw Unfamiliar()
      }
    }
    guard let kind, memberOf.count <= mostMemberships else { throw Unfamiliar() }
    return Party(
      kind: kind, identifier: identifier, name: name, address: address, memberOf: memberOf)
  }

  private static func patientName(
    _ cursor: inout ProtobufCursor
  ) throws(Unfamiliar) -> PatientName {
    switch try cursor.next() {
    case Tag.message(1): .id(try known(PatientID(try cursor.line())))
    case Tag.message(2): .identifier(try cursor.message(identifier))
    default: throw Unfamiliar()
    }
  }

  private static func identifier(_ cursor: inout ProtobufCursor) throws(Unfamiliar) -> Identifier {
    var system: String?
    var value: String?
    while let tag = try cursor.next() {
      switch tag {
      case Tag.message(1): system = try cursor.line()
      case Tag.message(2): value = try cursor.line()
      default: throw Unfamiliar()
      }
    }
    guard let system, let value else { throw Unfamiliar() }
    return Identifier(system: system, value: value)
  }

  private static func position(_ cursor: inout ProtobufCursor) throws(Unfamiliar) -> KnownPosition {
    var position: UInt64 = 0
    var chain: [UInt8] = []
    while let tag = try cursor.next() {
      switch tag {
      case Tag.number(1): position = try cursor.number()
      case Tag.message(2): chain = try cursor.bytes(32)
      default: throw Unfamiliar()
      }
    }
    return KnownPosition(position: position, chain: chain)
  }

  /// As `RequestReader` counts them.
  private static let mostMemberships = 64

  private static func tenDigits(_ text: String) throws(Unfamiliar) -> String {
    let isDigits = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard text.utf8.count == 10, isDigits else { throw Unfamiliar() }
    return text
  }

  private static func known<Value>(_ value: Value?) throws(Unfamiliar) -> Value {
    guard let value else { throw Unfamiliar() }
    return value
  }

  /// The byte before a field's value.
  private enum Tag {
    static func number(_ field: UInt8) -> UInt8 { field << 3 }
    /// Also of text and bytes.
    static func message(_ field: UInt8) -> UInt8 { field << 3 | 2 }
  }
}
