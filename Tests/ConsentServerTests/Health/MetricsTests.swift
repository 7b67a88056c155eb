import ConsentCore
import ConsentStore
import EventFeed
import Foundation
import RPCServer
import RPCWire
import Testing

@testable import ConsentServer

/// A strict reader of the text format 0.0.4: every sample belongs to the family declared just before
/// it, every family is declared once, with help and type, and histograms add up.
struct PrometheusReader {
  var families: [String: String] = [:]
  var samples: [(name: String, labels: String, value: Double)] = []

  struct Wrong: Error { var line: String }

  init(_ text: String) throws {
    guard text.hasSuffix("\n"), !text.contains("\n\n") else { throw Wrong(line: "end") }
    var current = ""
    var seen: Set<String> = []
    for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
      if let help = line.wholeMatch(of: /# HELP ([a-z_][a-z0-9_]*) (.+)/) {
        current = String(help.1)
        guard families[current] == nil else { throw Wrong(line: String(line)) }
        families[current] = ""
      } else if let type = line.wholeMatch(of: /# TYPE ([a-z_0-9]+) (counter|gauge|histogram)/) {
        guard type.1 == current, families[current] == "" else { throw Wrong(line: String(line)) }
        families[current] = String(type.2)
        guard type.2 != "counter" || current.hasSuffix("_total") else {
          throw Wrong(line: String(line))
        }
      } else {
        let pattern =
          /([a-z_0-9]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?[0-9.e+-]+|\+Inf)/
        guard let sample = line.wholeMatch(of: pattern), let value = Double(sample.3),
          seen.insert(String(line.prefix { $0 != " " })).inserted
        else { throw Wrong(line: String(line)) }
        let suffixes =
          families[current] == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        guard suffixes.contains(where: { current + $0 == sample.1 }) else {
          throw Wrong(line: String(line))
        }
        samples.append((String(sample.1), String(sample.2 ?? ""), value))
      }
    }
    guard !families.values.contains("") else { throw Wrong(line: "a family without type") }
  }

  func value(_ name: String, _ labels: String = "") -> Double? {
    samples.first { $0.name == name && $0.labels == labels }?.value
  }
}

struct MetricsTests {
  @Test func anEmptyPageIsValidAndDescribesWhatWillCome() throws {
    let page = try PrometheusReader(Metrics().text)
    for family in [
      "consentd_rpcs_total", "consentd_rpc_seconds", "consentd_rpcs_in_flight",
      "consentd_connections_open", "consentd_connections_accepted_total",
      "consentd_connections_refused_total", "consentd_tls_handshake_failures_total",
      "consentd_abuse_verdicts_total", "consentd_feed_position", "consentd_feed_lag_events",
      "consentd_expiry_lag_seconds", "consentd_watch_streams", "consentd_database_connections",
      "consentd_database_connections_busy", "consentd_database_jobs_queued",
      "consentd_reloads_total", "consentd_decision_batch_size",
      "consentd_decision_batches_repeated_total", "consentd_lookup_behind_decisions",
      "consentd_lookup_lag_seconds", "consentd_lookup_decisions_total",
      "consentd_lookup_failures_total", "consentd_accesses_logged_total",
      "consentd_accesses_not_logged_total", "consentd_feed_anchors_total",
      "consentd_feed_anchor_failures_total",
    ] {
      #expect(page.families[family] != nil, "\(family)")
    }
  }

  @Test func everyRowIsThere() throws {
    let metrics = Metrics()
    let organization = try #require(OrganizationID(TokenMint.organization))
    metrics.advanced(organization, to: 7)
    metrics.compared(withHeads: [organization: 10])
    metrics.looked(DatabaseVitals(transactionIDAge: 123, multixactIDAge: 4))
    metrics.logged(decisions: 3, rounds: 1)
    metrics.logged(decisions: 40, rounds: 2)
    metrics.reloaded("certificate", succeeded: true)
    metrics.reloaded("certificate", succeeded: false)
    metrics.read {
      var readings = Metrics.Readings()
      readings.server.openConnections = 3
      readings.server.failedTLSHandshakes = 2
      readings.server.abuseVerdicts = ["too_many_pings": 1, "a\"b\\c": 1]
      readings.pools = [("read", PoolLoad(lanes: 4, busy: 2, queued: 1))]
      readings.certificateEnds = 1_800_000_000
      return readings
    }
    let page = try PrometheusReader(metrics.text)
    let named = "organization=\"\(organization)\""
    #expect(page.value("consentd_feed_position", named) == 7)
    #expect(page.value("consentd_feed_lag_events", named) == 3)
    #expect(page.value("consentd_database_transaction_id_age") == 123)
    #expect(page.value("consentd_database_multixact_id_age") == 4)
    #expect(page.value("consentd_decision_batch_size_count") == 2)
    #expect(page.value("consentd_decision_batch_size_sum") == 43)
    #expect(page.value("consentd_decision_batch_size_bucket", "le=\"4.0\"") == 1)
    #expect(page.value("consentd_decision_batches_repeated_total") == 1)
    #expect(page.value("consentd_connections_open") == 3)
    #expect(page.value("consentd_tls_handshake_failures_total") == 2)
    #expect(page.value("consentd_abuse_verdicts_total", "kind=\"too_many_pings\"") == 1)
    #expect(page.value("consentd_database_connections", "pool=\"read\"") == 4)
    #expect(page.value("consentd_database_connections_busy", "pool=\"read\"") == 2)
    #expect(page.value("consentd_database_jobs_queued", "pool=\"read\"") == 1)
    #expect(page.value("consentd_tls_certificate_not_after_seconds") == 1_800_000_000)
    #expect(
      page.value("consentd_reloads_total", "what=\"certificate\",result=\"failed\"") == 1)
    #expect(metrics.text.contains("alarm above \(DatabaseVitals.ageAlarm)"))
    metrics.looked(nil)
    #expect(
      try PrometheusReader(metrics.text).value("consentd_database_transaction_id_age") == nil)
  }

  /// The lag grows while nobody looks, and ends when nothing is behind any more.
  @Test func theLookupsLagIsToldUntilItIsOver() throws {
    let metrics = Metrics()
    let organization = try #require(OrganizationID(TokenMint.organization))
    let named = "organization=\"\(organization)\""
    metrics.read {
      var readings = Metrics.Readings()
      readings.now = Instant(microseconds: 10_500_000)
      return readings
    }
    metrics.count(
      .looked([
        LookupBacklog(
          organization: organization, decisions: 12, oldest: Instant(microseconds: 3_000_000),
          isDue: true)
      ]))
    metrics.count(.extended(organization, decisions: 5))
    metrics.count(.failed(organization, StoreError.overloaded))
    var page = try PrometheusReader(metrics.text)
    #expect(page.value("consentd_lookup_behind_decisions", named) == 12)
    #expect(page.value("consentd_lookup_lag_seconds", named) == 7.5)
    #expect(page.value("consentd_lookup_decisions_total") == 5)
    #expect(page.value("consentd_lookup_failures_total") == 1)
    metrics.count(.looked([]))
    page = try PrometheusReader(metrics.text)
    #expect(page.value("consentd_lookup_behind_decisions", named) == 0)
    #expect(page.value("consentd_lookup_lag_seconds", named) == 0)
  }

  @Test func accessesAndAnchorsAreCounted() throws {
    let metrics = Metrics()
    let organization = try #require(OrganizationID(TokenMint.organization))
    for isLogged in [true, false, true] { metrics.accessed(isLogged: isLogged) }
    metrics.count(anchor: .written(organization))
    metrics.count(anchor: .failed(organization, StoreError.overloaded))
    let page = try PrometheusReader(metrics.text)
    #expect(page.value("consentd_accesses_logged_total") == 2)
    #expect(page.value("consentd_accesses_not_logged_total") == 1)
    #expect(page.value("consentd_feed_anchors_total") == 1)
    #expect(page.value("consentd_feed_anchor_failures_total") == 1)
  }

  @Test func aHistogramAddsUp() throws {
    var histogram = Histogram(bounds: [1, 10])
    for value in [0.5, 1, 5, 50] { histogram.add(value) }
    var text = PrometheusText()
    text.family("h", .histogram, "A histogram.")
    text.histogram("h", [("m", "x")], histogram)
    let page = try PrometheusReader(text.text)
    #expect(page.value("h_bucket", "m=\"x\",le=\"1.0\"") == 2)
    #expect(page.value("h_bucket", "m=\"x\",le=\"10.0\"") == 3)
    #expect(page.value("h_bucket", "m=\"x\",le=\"+Inf\"") == 4)
    #expect(page.value("h_sum", "m=\"x\"") == 56.5)
    #expect(page.value("h_count", "m=\"x\"") == 4)
  }

  @Test(arguments: [
    "a 1\n", "# HELP a x\na 1\n", "# HELP a x\n# TYPE a gauge\nb 1\n",
    "# HELP a x\n# TYPE a gauge\na 1\na 1\n", "# HELP a x\n# TYPE a counter\na 1\n",
    "# HELP a x\n# TYPE a gauge\na{b=\"c\"d\"} 1\n", "# HELP a x\n# TYPE a gauge\na one\n",
    "# HELP a x\n# TYPE a gauge\na 1",
  ])
  func theReaderIsStrict(text: String) {
    #expect(throws: PrometheusReader.Wrong.self) { _ = try PrometheusReader(text) }
  }
}

struct ReadinessTests {
  private let second: UInt64 = 1_000_000_000

  @Test func aNodeIsReadyWhenItStartedAndTheDatabaseAnsweredLately() {
    let readiness = Readiness()
    #expect(readiness.state(at: 0) == .starting)
    readiness.probed(succeeded: true, at: 0)
    #expect(readiness.state(at: 0) == .starting)
    readiness.started()
    #expect(readiness.state(at: 10 * second) == .ready)
    #expect(readiness.state(at: 10 * second + 1) == .probeOverdue(seconds: 10))
    readiness.probed(succeeded: false, at: 11 * second)
    #expect(readiness.state(at: 11 * second) == .databaseFailed)
    readiness.probed(succeeded: true, at: 12 * second)
    #expect(readiness.state(at: 12 * second) == .ready)
    readiness.drains()
    #expect(readiness.state(at: 12 * second) == .draining)
  }
}
