public import EventFeed
public import RPCServer

/// The plain pages beside the methods, for load balancers and collectors.
public enum Pages {
  public static func all(
    health: HealthState, metrics: Metrics, watch: WatchHub
  ) -> [String: PageHandler] {
    let serving: PageHandler = { _ in
      health.status() == .serving
        ? PageResponse(text: "serving\n") : PageResponse(status: 503, text: "not serving\n")
    }
    return [
      "/healthz": serving,
      "/readyz": serving,
      "/metrics": { _ in
        PageResponse(
          contentType: "text/plain; version=0.0.4; charset=utf-8",
          body: Array(metrics.text(openStreams: watch.openStreams).utf8))
      },
    ]
  }
}
