import ConsentCore
import ConsentStore
import RPCServer
import RPCWire

extension Metrics {
  static func text(_ board: Board, _ readings: Readings) -> String {
    var text = PrometheusText()
    calls(board, readings, &text)
    batches(board, &text)
    connections(readings, &text)
    feeds(board, readings, &text)
    lookups(board, readings, &text)
    activity(board, &text)
    database(board, readings, &text)
    text.family(
      "consentd_reloads_total", .counter,
      "Files read again after they changed; a failed one left the old content in force.")
    for (reload, count) in board.reloads.sorted(by: { $0.key.what < $1.key.what }) {
      text.sample(
        "consentd_reloads_total",
        [("what", reload.what), ("result", reload.succeeded ? "ok" : "failed")], "\(count)")
    }
    return text.text
  }

  private static func calls(_ board: Board, _ readings: Readings, _ text: inout PrometheusText) {
    text.family("consentd_rpcs_total", .counter, "Calls finished, by method and status.")
    let methods = board.calls.values.sorted { $0.name < $1.name }
    let codes = RPCCode.allCases.sorted { $0.connectName < $1.connectName }
    for calls in methods {
      for code in codes where calls.codes[Int(code.rawValue)] > 0 {
        text.sample(
          "consentd_rpcs_total", [("method", calls.name), ("code", code.connectName)],
          "\(calls.codes[Int(code.rawValue)])")
      }
    }
    text.family("consentd_rpc_seconds", .histogram, "Time from headers to the end of a call.")
    for calls in methods {
      text.histogram("consentd_rpc_seconds", [("method", calls.name)], calls.latency)
    }
    text.one(
      "consentd_rpcs_in_flight", .gauge, "Handlers running now.", readings.server.callsInFlight)
  }

  private static func batches(_ board: Board, _ text: inout PrometheusText) {
    text.family(
      "consentd_decision_batch_size", .histogram,
      "Decisions that were logged together; the count is that of batches.")
    text.histogram("consentd_decision_batch_size", [], board.batches)
    text.one(
      "consentd_decision_batches_repeated_total", .counter,
      "Batches decided again because facts had changed meanwhile.", board.repeatedBatches)
  }

  private static func connections(_ readings: Readings, _ text: inout PrometheusText) {
    let server = readings.server
    text.one("consentd_connections_open", .gauge, "Connections open now.", server.openConnections)
    text.one(
      "consentd_connections_accepted_total", .counter, "Connections accepted.",
      server.acceptedConnections)
    text.one(
      "consentd_connections_refused_total", .counter,
      "Connections closed without a byte, above a limit of connections.",
      server.refusedConnections)
    text.one(
      "consentd_tls_handshake_failures_total", .counter,
      "TLS connections that ended before their handshake did.", server.failedTLSHandshakes)
    text.family(
      "consentd_abuse_verdicts_total", .counter,
      "What the guard did about connections: delay (reads paused), close, or GOAWAY with a text.")
    for (kind, count) in server.abuseVerdicts.sorted(by: { $0.key < $1.key }) {
      text.sample("consentd_abuse_verdicts_total", [("kind", kind)], "\(count)")
    }
    if let ends = readings.certificateEnds {
      text.one(
        "consentd_tls_certificate_not_after_seconds", .gauge,
        "When the server's certificate ends, in seconds since 1970.", ends)
    }
  }

  private static func feeds(_ board: Board, _ readings: Readings, _ text: inout PrometheusText) {
    text.family("consentd_feed_position", .gauge, "Head of the feed that watchers are told.")
    for (organization, position) in board.positions.sorted(by: { $0.key < $1.key }) {
      text.sample(
        "consentd_feed_position", [("organization", "\(organization)")], "\(position)")
    }
    text.family(
      "consentd_feed_lag_events", .gauge,
      "Positions between the stored head and what watchers were told, when last compared.")
    for (organization, lag) in board.feedLag.sorted(by: { $0.key < $1.key }) {
      text.sample("consentd_feed_lag_events", [("organization", "\(organization)")], "\(lag)")
    }
    text.family(
      "consentd_expiry_lag_seconds", .gauge,
      "How late the last expiry was told; checks never wait for it.")
    for (organization, lag) in board.expiryLag.sorted(by: { $0.key < $1.key }) {
      text.sample(
        "consentd_expiry_lag_seconds", [("organization", "\(organization)")],
        "\(Double(lag) / 1_000_000)")
    }
    text.family("consentd_expiry_events_total", .counter, "Events that the scheduler emitted.")
    for (kind, count) in board.events.sorted(by: { $0.key.name < $1.key.name }) {
      text.sample("consentd_expiry_events_total", [("kind", kind.name)], "\(count)")
    }
    text.one("consentd_watch_streams", .gauge, "Watch streams open now.", readings.watchStreams)
  }

  private static func lookups(_ board: Board, _ readings: Readings, _ text: inout PrometheusText) {
    let lookups = board.lookups.sorted { $0.key < $1.key }
    text.family(
      "consentd_lookup_behind_decisions", .gauge,
      "Logged decisions that are not looked up yet, when last compared; they are found all the "
        + "same, by reading them.")
    for (organization, behind) in lookups {
      text.sample(
        "consentd_lookup_behind_decisions", [("organization", "\(organization)")],
        "\(behind.decisions)")
    }
    text.family(
      "consentd_lookup_lag_seconds", .gauge,
      "Age of the oldest logged decision that was not looked up when last compared.")
    for (organization, behind) in lookups {
      let age = behind.oldest.flatMap { oldest in
        readings.now.map { max(0, $0.microseconds - oldest.microseconds) }
      }
      text.sample(
        "consentd_lookup_lag_seconds", [("organization", "\(organization)")],
        "\(Double(age ?? 0) / 1_000_000)")
    }
    text.one(
      "consentd_lookup_decisions_total", .counter, "Decisions that this node has looked up.",
      board.lookedUp)
    text.one(
      "consentd_lookup_failures_total", .counter,
      "Steps of the look-up that failed; each is tried again.", board.lookupFailures)
  }

  private static func activity(_ board: Board, _ text: inout PrometheusText) {
    text.one(
      "consentd_accesses_logged_total", .counter,
      "Reads of patient records that were logged before their answers left.", board.accesses)
    text.one(
      "consentd_accesses_not_logged_total", .counter,
      "Reads of patient records that could not be logged, and were answered UNAVAILABLE.",
      board.unloggedAccesses)
    text.one(
      "consentd_feed_anchors_total", .counter, "Heads of feeds that this node put into the log.",
      board.anchors)
    text.one(
      "consentd_feed_anchor_failures_total", .counter,
      "Heads of feeds that could not be put into the log; each is tried again.",
      board.anchorFailures)
  }

  private static func database(_ board: Board, _ readings: Readings, _ text: inout PrometheusText) {
    text.family("consentd_database_connections", .gauge, "Connections of each pool.")
    for (name, load) in readings.pools {
      text.sample("consentd_database_connections", [("pool", name)], "\(load.lanes)")
    }
    text.family("consentd_database_connections_busy", .gauge, "Connections at work now.")
    for (name, load) in readings.pools {
      text.sample("consentd_database_connections_busy", [("pool", name)], "\(load.busy)")
    }
    text.family("consentd_database_jobs_queued", .gauge, "Jobs that wait for a connection.")
    for (name, load) in readings.pools {
      text.sample("consentd_database_jobs_queued", [("pool", name)], "\(load.queued)")
    }
    guard let vitals = board.vitals else { return }
    text.one(
      "consentd_database_transaction_id_age", .gauge,
      "Age of the oldest transaction id not frozen, over all databases; alarm above "
        + "\(DatabaseVitals.ageAlarm): VACUUM is behind, and PostgreSQL stops writes before "
        + "2147483648.", vitals.transactionIDAge)
    text.one(
      "consentd_database_multixact_id_age", .gauge,
      "The same for multixact ids; alarm above \(DatabaseVitals.ageAlarm).",
      vitals.multixactIDAge)
  }
}
