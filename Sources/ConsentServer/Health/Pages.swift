public import RPCServer

/// The plain pages beside the methods, for load balancers and collectors.
public enum Pages {
  /// `/healthz` tells what `grpc.health.v1` tells; `/readyz` whether a new call can be answered.
  public static func all(
    health: HealthState, readiness: Readiness, metrics: Metrics
  ) -> [String: PageHandler] {
    [
      "/healthz": { _ in
        health.status() == .serving
          ? PageResponse(text: "serving\n") : PageResponse(status: 503, text: "not serving\n")
      },
      "/readyz": { _ in
        let state = readiness.state()
        return PageResponse(status: state == .ready ? 200 : 503, text: state.text + "\n")
      },
      "/metrics": { _ in
        PageResponse(
          contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(metrics.text.utf8))
      },
    ]
  }
}
