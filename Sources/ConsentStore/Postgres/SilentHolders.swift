internal import Postgres

enum SilentHolders {
  /// Ends sessions of nodes that hold an organization's lock and have fallen silent.
  ///
  /// `idle_in_transaction_session_timeout` runs only between a Sync and the next message: a node
  /// that is stopped or cut off in the middle of a pipeline would keep the lock as long as its
  /// connection stands. So whoever has waited for a lock in vain, a second, ends the sessions that
  /// have waited for their node a quarter of that limit: a wait may begin before the silence, and at
  /// half the limit every other wait ended just too early and was waited again (3.3 s; others must
  /// write again within 3).
  /// To the silent node it is a lost connection, and the transaction is undone; if its COMMIT came
  /// just then, its outcome is found out as always.
  static func end(_ lanes: PostgresLanes) async {
    // What fails here shows as the lock that is still held.
    _ = try? await lanes.run { connection in
      let ended: Int64 = try connection.execute(.endSilentHolders).single().get(0)
      return ended
    }
  }
}

extension PostgresStatement {
  /// A role may end its own sessions, and sees what they do.
  fileprivate static let endSilentHolders = PostgresStatement(
    name: "end_silent_holders",
    sql: """
      SELECT count(pg_catalog.pg_terminate_backend(a.pid))
      FROM pg_catalog.pg_stat_activity a
      WHERE a.usename = session_user AND a.datname = pg_catalog.current_database()
        AND a.pid <> pg_catalog.pg_backend_pid()
        AND a.xact_start IS NOT NULL AND a.wait_event = 'ClientRead'
        AND a.state_change < pg_catalog.clock_timestamp()
          - pg_catalog.current_setting('idle_in_transaction_session_timeout')::interval / 4
        AND EXISTS (
          SELECT FROM pg_catalog.pg_locks l
          WHERE l.pid = a.pid AND l.granted AND l.mode = 'RowShareLock'
            AND l.relation = 'organization'::pg_catalog.regclass)
      """)
}
