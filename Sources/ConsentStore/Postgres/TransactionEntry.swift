internal import ConsentCore
internal import Postgres

/// What every transaction begins with: for which organization it is, under which settings and from
/// which head.
struct TransactionEntry {
  var organization: OrganizationSettings
  var head: FeedHead

  /// Looks, in the snapshot of the open transaction.
  static func read(
    _ connection: PostgresConnection, _ organization: OrganizationID
  ) throws -> TransactionEntry {
    var slots: [PostgresPipeline.Slot] = []
    let results = try connection.pipeline { pipeline in
      slots.append(try enter(&pipeline, organization))
      slots.append(try pipeline.execute(.organization, organization))
      slots.append(try pipeline.execute(.head, organization))
    }
    try checkEntered(results.result(slots[0]))
    return try TransactionEntry(
      organization, results.result(slots[1]), head: results.result(slots[2]))
  }

  /// Makes the organization's rows visible until the transaction ends.
  static func enter(
    _ pipeline: inout PostgresPipeline, _ organization: OrganizationID
  ) throws -> PostgresPipeline.Slot {
    try pipeline.execute(.enter, "{\(organization)}")
  }

  /// The same before a statement whose plan never depends on its parameters. PostgreSQL would plan
  /// the append of a batch anew each time, which costs several times what carrying it out does: it
  /// finds the plan for known parameters cheaper, because they name the partitions.
  ///
  /// A plan that is kept must not rest on how small a table once was, so it may only use indexes,
  /// and those that give the order asked for.
  static func enterWithKeptPlan(
    _ pipeline: inout PostgresPipeline, _ organization: OrganizationID
  ) throws -> PostgresPipeline.Slot {
    try pipeline.execute(.enterWithKeptPlan, "{\(organization)}")
  }

  /// The same for a change, all of whose statements keep their plans: planning them anew took most
  /// of its time. A kept plan must find its rows by key however large the tables become, so that
  /// joins may only follow keys as well.
  static func enterToWrite(
    _ pipeline: inout PostgresPipeline, _ organization: OrganizationID
  ) throws -> PostgresPipeline.Slot {
    try pipeline.execute(.enterToWrite, "{\(organization)}")
  }

  /// A standby may be behind and a server without fsync forgets: neither answers anything.
  static func checkEntered(_ result: PostgresResult) throws {
    let state = try ServerState(result.single(), from: 1)
    if let problem = state.problem { throw StoreError.unavailable(problem) }
  }

  /// INVARIANT: exactly one row of the organization is visible; an invisible one is an error and
  /// never "nothing there".
  init(_ id: OrganizationID, _ result: PostgresResult, head: PostgresResult) throws {
    guard let row = result.first, result.rowCount == 1 else { throw StoreError.unknownOrganization }
    let (name, timeZone) = try row.decode(String.self, String.self)
    organization = OrganizationSettings(id: id, name: name, timeZone: timeZone)
    self.head = try head.first.map { try FeedHead($0) } ?? .empty
  }
}

extension FeedHead {
  /// Whether the feed that ends here still holds `seen`: false after a restored backup, or a
  /// fail-over that lost changes.
  func follows(
    _ seen: FeedHead, of organization: OrganizationID, _ connection: PostgresConnection
  ) throws -> Bool {
    if seen.position == 0 || seen.position == position && seen.chain == chain { return true }
    let row = try connection.execute(.headAt, organization, column(seen.position)).first
    return try row.map { try $0.get(1, as: [UInt8].self) == seen.chain } ?? false
  }
}

extension PostgresStatement {
  static let enter = PostgresStatement(
    name: "enter",
    sql: """
      SELECT pg_catalog.set_config('consentd.organizations', $1, true), \(ServerState.columns)
      """)
  fileprivate static let enterWithKeptPlan = PostgresStatement(
    name: "enter_with_kept_plan",
    sql: """
      SELECT pg_catalog.set_config('consentd.organizations', $1, true), \(ServerState.columns),
        pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true),
        pg_catalog.set_config('enable_seqscan', 'off', true),
        pg_catalog.set_config('enable_sort', 'off', true)
      """)
  fileprivate static let enterToWrite = PostgresStatement(
    name: "enter_to_write",
    sql: """
      SELECT pg_catalog.set_config('consentd.organizations', $1, true), \(ServerState.columns),
        pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true),
        pg_catalog.set_config('enable_seqscan', 'off', true),
        pg_catalog.set_config('enable_hashjoin', 'off', true),
        pg_catalog.set_config('enable_mergejoin', 'off', true)
      """)
  static let organization = PostgresStatement(
    name: "organization",
    sql: "SELECT name, time_zone FROM organization WHERE organization_id = $1")
  /// First and alone in its statement: what is read together with a lock may be older than it.
  static let lockOrganization = PostgresStatement(
    name: "lock_organization",
    sql: """
      SELECT name, time_zone FROM organization WHERE organization_id = $1 FOR NO KEY UPDATE
      """)
}
