public import ConsentCore

/// The last row of an organization's feed, which is its head; position 0 before any change.
public struct FeedHead: Hashable, Sendable {
  public var position: UInt64
  /// SHA-256 (chain before, row); 32 zero bytes at position 0.
  public var chain: [UInt8]
  /// When that row was recorded, never before the row below it.
  public var known: Instant
  /// The position of the last row that changed a fact; rows above it leave every decision alone.
  public var factPosition: UInt64

  public init(position: UInt64, chain: [UInt8], known: Instant, factPosition: UInt64) {
    self.position = position
    self.chain = chain
    self.known = known
    self.factPosition = factPosition
  }

  public static let empty = FeedHead(
    position: 0, chain: [UInt8](repeating: 0, count: 32), known: .distantPast, factPosition: 0)
}

/// One change, at its dense position in its organization's feed.
public struct FeedRow: Hashable, Sendable {
  public var position: UInt64
  public var chain: [UInt8]
  public var known: Instant
  /// First 128 bits of SHA-256 over organization, kind and subject: a retry cannot make another.
  public var eventID: ID<FeedEvent>
  public var event: FeedEvent
  public var by: String

  public init(
    position: UInt64, chain: [UInt8], known: Instant, eventID: ID<FeedEvent>, event: FeedEvent,
    by: String
  ) {
    self.position = position
    self.chain = chain
    self.known = known
    self.eventID = eventID
    self.event = event
    self.by = by
  }
}
