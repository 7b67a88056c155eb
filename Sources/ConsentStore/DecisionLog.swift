public import ConsentCore

/// Names one logged decision: its log (one a node run) and its leaf in it.
public struct DecisionID: Hashable, Sendable, Codable {
  public var log: ID<DecisionLog>
  public var leaf: UInt64

  public init(log: ID<DecisionLog>, leaf: UInt64) {
    self.log = log
    self.leaf = leaf
  }

  /// `<log uuid>:<leaf>`.
  public var text: String { log.description + ":" + String(leaf) }

  public init?(text: String) {
    guard let colon = text.lastIndex(of: ":"), let log = ID<DecisionLog>(text[..<colon]),
      let leaf = UInt64(text[text.index(after: colon)...])
    else { return nil }
    self.init(log: log, leaf: leaf)
  }
}

public enum DecisionLog {}

/// What is logged of one answer: enough to take the same decision again in six years.
///
/// One reference, so that an entry goes through batch, log and answer without being copied: it has
/// some twenty references in it.
public struct DecisionEntry: Sendable {
  private var held: Held

  private final class Held: Sendable {
    let content: Content

    init(_ content: Content) { self.content = content }
  }

  private struct Content: Hashable, Codable {
    var caller: String
    var limits: CallerLimits
    var request: CheckRequest
    var decision: Decision
    var patient: PatientID?
    var group: GroupEntry?
  }

  private var content: Content {
    _read { yield held.content }
    set { held = Held(newValue) }
  }

  public struct GroupEntry: Hashable, Sendable, Codable {
    public var images: [ImageKey]
    public var expectedCount: Int?
    /// Images whose decision differs from the summary's.
    public var differing: [Differing]

    public init(images: [ImageKey], expectedCount: Int?, differing: [Differing]) {
      self.images = images
      self.expectedCount = expectedCount
      self.differing = differing
    }
  }

  public struct Differing: Hashable, Sendable, Codable {
    public var image: ImageKey
    public var effect: Effect
    public var reason: Reason

    public init(image: ImageKey, effect: Effect, reason: Reason) {
      self.image = image
      self.effect = effect
      self.reason = reason
    }
  }

  public init(
    caller: String, limits: CallerLimits, request: CheckRequest, decision: Decision,
    patient: PatientID?, group: GroupEntry? = nil
  ) {
    held = Held(
      Content(
        caller: caller, limits: limits, request: request, decision: decision, patient: patient,
        group: group))
  }

  public var caller: String {
    _read { yield held.content.caller }
    set { content.caller = newValue }
  }
  public var limits: CallerLimits {
    _read { yield held.content.limits }
    set { content.limits = newValue }
  }
  public var request: CheckRequest {
    _read { yield held.content.request }
    set { content.request = newValue }
  }
  public var decision: Decision {
    _read { yield held.content.decision }
    set { content.decision = newValue }
  }
  /// The patient the image belonged to, if it is known.
  public var patient: PatientID? {
    _read { yield held.content.patient }
    set { content.patient = newValue }
  }
  /// For a group: `request` is its template, `decision` its summary.
  public var group: GroupEntry? {
    _read { yield held.content.group }
    set { content.group = newValue }
  }
}

extension DecisionEntry: Hashable, Codable, CustomReflectable {
  public static func == (a: DecisionEntry, b: DecisionEntry) -> Bool {
    a.held === b.held || a.held.content == b.held.content
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(held.content) }

  public init(from decoder: any Decoder) throws { held = Held(try Content(from: decoder)) }
  public func encode(to encoder: any Encoder) throws { try held.content.encode(to: encoder) }

  public var customMirror: Mirror { Mirror(reflecting: held.content) }
}

public struct LoggedDecision: Hashable, Sendable {
  public var id: DecisionID
  public var entry: DecisionEntry
  /// The head the decision was taken at.
  public var head: FeedHead
  /// `nil` for what was logged before there were trees.
  public var receipt: LogReceipt?

  public init(
    id: DecisionID, entry: DecisionEntry, head: FeedHead, receipt: LogReceipt? = nil
  ) {
    self.id = id
    self.entry = entry
    self.head = head
    self.receipt = receipt
  }
}

/// Which logged decisions to list; every given field must match.
public struct DecisionFilter: Hashable, Sendable {
  public var from: Instant?
  public var until: Instant?
  public var positionFrom: UInt64?
  public var positionUntil: UInt64?
  public var patient: PatientID?
  public var image: ImageKey?
  /// The PERMIT rested on this grant.
  public var basisGrant: GrantID?
  public var effect: Effect?
  /// The user who asked.
  public var actor: Identifier?
  /// The true primary reason is one of these; empty: any.
  public var primaries: Set<Reason>
  /// Only decisions with intent USE.
  public var usesOnly: Bool

  public init(
    from: Instant? = nil, until: Instant? = nil, positionFrom: UInt64? = nil,
    positionUntil: UInt64? = nil, patient: PatientID? = nil, image: ImageKey? = nil,
    basisGrant: GrantID? = nil, effect: Effect? = nil, actor: Identifier? = nil,
    primaries: Set<Reason> = [], usesOnly: Bool = false
  ) {
    self.from = from
    self.until = until
    self.positionFrom = positionFrom
    self.positionUntil = positionUntil
    self.patient = patient
    self.image = image
    self.basisGrant = basisGrant
    self.effect = effect
    self.actor = actor
    self.primaries = primaries
    self.usesOnly = usesOnly
  }
}

/// What a caller did, or did not do, after a decision; also without one, after downtime.
public struct UseReport: Hashable, Sendable, Codable {
  public var id: ID<UseReport>
  public var decision: DecisionID?
  public var image: ImageKey
  public var use: Use
  public var audience: Audience
  public var channel: Channel
  public var actor: Actor
  public var recipient: Party?
  public var happened: Instant
  /// False: the permitted use did not take place.
  public var wasUsed: Bool
  public var note: String

  public init(
    id: ID<UseReport>, decision: DecisionID?, image: ImageKey, use: Use, audience: Audience,
    channel: Channel, actor: Actor, recipient: Party?, happened: Instant, wasUsed: Bool,
    note: String
  ) {
    self.id = id
    self.decision = decision
    self.image = image
    self.use = use
    self.audience = audience
    self.channel = channel
    self.actor = actor
    self.recipient = recipient
    self.happened = happened
    self.wasUsed = wasUsed
    self.note = note
  }
}
