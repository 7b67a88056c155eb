public import ConsentStore
public import Logging
public import RPCServer

/// Keeps the server's health in step with its store: SERVING only while the store can answer.
///
/// A health call never asks the database; this asks it, at intervals, and sets what they read.
public struct HealthProbe: Sendable {
  /// The services that `grpc.health.v1` names, besides the server as a whole.
  public static let services = [
    "consent.v1.CheckService", "consent.v1.RecordService", "consent.v1.EventService",
    "consent.v1.ReportService", "consent.v1.AuditService",
  ]

  private let store: any ConsentStore
  private let health: HealthState
  private let readiness: Readiness?
  private let interval: Duration
  private let logger: Logger

  public init(
    store: any ConsentStore, health: HealthState, readiness: Readiness? = nil,
    interval: Duration = .seconds(2), logger: Logger
  ) {
    self.store = store
    self.readiness = readiness
    self.health = health
    self.interval = interval
    self.logger = logger
  }

  /// Asks once. Without effect on the health of a server that drains.
  /// - Returns: whether the store can answer.
  @discardableResult
  public func probe() async -> Bool {
    do {
      try await store.probe()
    } catch {
      if health.status() == .serving {
        logger.error("not serving", metadata: ["why": "\(error as? StoreError ?? .overloaded)"])
      }
      health.setAll(.notServing)
      readiness?.probed(succeeded: false)
      return false
    }
    if health.status() != .serving { logger.info("serving", metadata: [:]) }
    health.setAll(.serving)
    readiness?.probed(succeeded: true)
    return true
  }

  /// Asks until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      await probe()
      try? await Task.sleep(for: interval)
    }
  }
}
