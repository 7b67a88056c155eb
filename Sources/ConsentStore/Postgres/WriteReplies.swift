internal import ConsentCore
internal import Postgres

/// The replies recorded for the keys of one group of changes, and those that the group adds.
///
/// INVARIANT: read under the organization's lock, so a key without a reply here has none.
struct WriteReplies {
  struct Reply {
    var contentSHA256: [UInt8]
    var bytes: [UInt8]
    /// The head after the change that was replied to.
    var head: FeedHead
  }

  private var known: [ReplyKey.Name: Result<Reply, StoreError>] = [:]
  private var replies: RowSet
  private var replays: RowSet

  /// One look-up for all keys of the group. Read the answer with `init`.
  static func lookUp(
    _ changes: [PendingWrite], of organization: OrganizationID, _ pipeline: inout PostgresPipeline
  ) throws -> PostgresPipeline.Slot {
    try pipeline.execute(
      .replies, organization, changes.map(\.key.origin), changes.map(\.key.caller),
      changes.map(\.key.key))
  }

  init(_ result: PostgresResult, of organization: OrganizationID) throws {
    replies = RowSet(.idempotency, organization: organization)
    replays = RowSet(.idempotencyReplay, organization: organization)
    for row in result.rows {
      let (origin, caller, key, content, bytes, position) = try row.decode(
        Int16.self, String.self, String.self, [UInt8].self, [UInt8].self, Int64.self)
      let name = ReplyKey.Name(origin: origin, caller: caller, key: key)
      guard let head = try Self.head(at: position, row) else {
        known[name] = .failure(
          .unreadable("the position of a recorded reply is above the head"))
        continue
      }
      known[name] = .success(Reply(contentSHA256: content, bytes: bytes, head: head))
    }
  }

  private static func head(at position: Int64, _ row: PostgresRow) throws -> FeedHead? {
    if position == 0 { return .empty }
    guard try row.get(6, as: [UInt8]?.self) != nil else { return nil }
    return FeedHead(
      position: try row.unsigned(5), chain: try row.get(6), known: try row.get(7),
      factPosition: try row.unsigned(8))
  }

  /// The reply that stands for the key, also one given in this group; `nil` if there is none.
  /// - Throws: `StoreError.idempotencyConflict` if the key was used with other content.
  func reply(to key: ReplyKey) throws -> Reply? {
    guard let found = try known[key.name]?.get() else { return nil }
    guard found.contentSHA256 == key.contentSHA256 else { throw StoreError.idempotencyConflict }
    return found
  }

  mutating func add(_ bytes: [UInt8], to key: ReplyKey, head: FeedHead, at now: Instant) throws {
    known[key.name] = .success(Reply(contentSHA256: key.contentSHA256, bytes: bytes, head: head))
    replies.add(
      .int2(key.origin), .text(key.caller), .text(key.key), .bytes(key.contentSHA256),
      .bytes(bytes), .int8(try column(head.position)), .instant(now))
  }

  /// An acknowledgement leaves only after a transaction that wrote, so a replay writes too.
  mutating func addReplay(of key: ReplyKey, head: FeedHead, at now: Instant) throws {
    let replay: ID<Record> = PostgresConsentStore.randomID()
    replays.add(
      .id(replay), .int2(key.origin), .int8(try column(head.position)), .instant(now))
  }

  var isEmpty: Bool { replies.rows.isEmpty && replays.rows.isEmpty }

  func insert(into pipeline: inout PostgresPipeline) throws {
    try replies.insert(into: &pipeline)
    try replays.insert(into: &pipeline)
  }
}

extension Table {
  fileprivate static let idempotency = Table(
    "idempotency",
    [
      "origin": "smallint", "caller": "text", "key": "text", "content_sha256": "bytea",
      "reply": "bytea", "position": "bigint", "recorded": "timestamptz",
    ])
  fileprivate static let idempotencyReplay = Table(
    "idempotency_replay",
    [
      "replay_id": "uuid", "origin": "smallint", "position": "bigint", "replayed": "timestamptz",
    ])
}

extension PostgresStatement {
  // LATERAL with a limit: one index probe a key, whatever the planner believes of a table's size.
  fileprivate static let replies = PostgresStatement(
    name: "replies",
    sql: """
      SELECT i.origin, i.caller, i.key, i.content_sha256, i.reply, i.position, f.chain, f.known,
        f.fact_position
      FROM (SELECT DISTINCT * FROM unnest($2::int2[], $3::text[], $4::text[])) AS k (o, c, k)
      CROSS JOIN LATERAL (
        SELECT r.* FROM idempotency r
        WHERE r.organization_id = $1 AND r.origin = k.o AND r.caller = k.c AND r.key = k.k
        LIMIT 1) AS i
      LEFT JOIN LATERAL (
        SELECT h.chain, h.known, h.fact_position FROM feed h
        WHERE h.organization_id = $1 AND h.position = i.position
        LIMIT 1) AS f ON true
      """)
}
