import ConsentStore
import EmbeddedPostgres
import Postgres
import Testing

/// What the crash tests do to a database of their own.
extension TestDatabase {
  /// From now on COMMIT waits for a standby that never comes.
  func requireStandby() throws {
    let connection = try PostgresConnection(administrator())
    try connection.execute(script: "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try connection.execute(script: "SELECT pg_reload_conf()")
    let current = PostgresStatement(
      name: "standby_names", sql: "SELECT current_setting('synchronous_standby_names')")
    for _ in 0..<50_000 {
      let fresh = try PostgresConnection(administrator())
      if try fresh.execute(current).single().get(0, as: String.self) == "nobody" { return }
    }
    Issue.record("the setting never arrived")
  }

  /// Asks the server again and again until a backend waits for a standby, and ends that backend, or
  /// its wait: its transaction is committed and its client is never told, or with a warning only.
  ///
  /// - Parameter function: `pg_terminate_backend` or `pg_cancel_backend`.
  func endBackendWaitingForStandby(
    by function: String = "pg_terminate_backend", thenWaitForNoStandby: Bool = true
  ) async throws {
    let connection = try PostgresConnection(administrator())
    let end = PostgresStatement(
      name: "end_waiting",
      sql: """
        SELECT \(function)(pid), pg_sleep(0.02)::text FROM pg_stat_activity
        WHERE wait_event = 'SyncRep' AND application_name LIKE 'server%'
        """)
    var isEnded = false
    let deadline = ContinuousClock.now + .seconds(60)
    while !isEnded, ContinuousClock.now < deadline {
      isEnded = try connection.execute(end).rowCount > 0
      // Two tests that held both threads of a small machine here would wait for what neither lets run.
      await Task.yield()
    }
    #expect(isEnded)
    if thenWaitForNoStandby { try requireNoStandby() }
  }

  func requireNoStandby() throws {
    let connection = try PostgresConnection(administrator())
    try connection.execute(script: "ALTER SYSTEM RESET synchronous_standby_names")
    try connection.execute(script: "SELECT pg_reload_conf()")
  }

  /// Ends the backend that inserts a reply, at once or at its COMMIT.
  ///
  /// - Parameter condition: over NEW and `attempt`, which counts from 1 what was tried before.
  func endBackendAtReply(deferred: Bool, when condition: String) throws {
    try run(
      """
      CREATE SEQUENCE public.attempts; GRANT ALL ON public.attempts TO PUBLIC;
      CREATE FUNCTION public.harm() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE attempt bigint := nextval('public.attempts');
      BEGIN
        IF \(condition) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER harm AFTER INSERT ON consentd.idempotency
        \(deferred ? "DEFERRABLE INITIALLY DEFERRED" : "NOT DEFERRABLE")
        FOR EACH ROW EXECUTE FUNCTION public.harm();
      """)
  }
}
