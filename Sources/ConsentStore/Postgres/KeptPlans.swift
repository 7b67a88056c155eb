internal import ConsentCore
internal import Postgres

/// Plans are kept for as long as the tables are about as large as when they were made.
///
/// PostgreSQL makes a kept plan anew when a table's statistics change, which autovacuum sees to about
/// a minute late. For an almost empty table a plan is good that reads all of an organization's rows;
/// kept while a register is imported, each change would read them. The feed measures how much there
/// is: every record has a row in it.
enum KeptPlans {
  /// A change begins: plans made when there was much less are thrown away first.
  static func renewIfOutgrown(_ connection: PostgresConnection) throws {
    guard connection.plansMadeAt == outgrown else { return }
    try connection.execute(.discardPlans)
    connection.plansMadeAt = nil
  }

  /// - Parameter head: of any organization: the largest counts.
  static func note(_ head: FeedHead, _ connection: PostgresConnection) {
    guard let made = connection.plansMadeAt else {
      connection.plansMadeAt = head.position
      return
    }
    if made != outgrown, head.position / 2 > made / 2 + made / 4 + smallest {
      connection.plansMadeAt = outgrown
    }
  }

  /// Below this, half of the rows, no plan is dear.
  private static let smallest: UInt64 = 128
  private static let outgrown = UInt64.max
}

extension PostgresStatement {
  fileprivate static let discardPlans = PostgresStatement(
    name: "discard_plans", sql: "DISCARD PLANS")
}
