import Checking
import ConsentCore
import ConsentServer
import ConsentStore
import Foundation
import Logging
import RPCServer

/// Makes the checker, tells of it in the log and lets it read the registers ahead.
enum CheckerSetup {
  static func make(
    store: any ConsentStore, clock: any WallClock, organizations: [OrganizationSettings],
    indexedImages: Int, metrics: Metrics
  ) -> Checker {
    let logger = Logger(label: "consentd.checking")
    let checker = Checker(
      store: store, clock: clock, options: Checker.Options(indexedImages: indexedImages),
      mutant: mutant(logger), together: AnswersTogether.give
    ) { report in
      if case .logged(let decisions, let rounds) = report {
        metrics.logged(decisions: decisions, rounds: rounds)
      } else {
        tell(report, logger)
      }
    }
    checker.preload(organizations.map(\.id))
    return checker
  }

  private static func tell(_ report: CheckerReport, _ logger: Logger) {
    switch report {
    case .logged: break
    case .preloading(let organization, let images):
      logger.debug(
        "reading the register ahead",
        metadata: ["organization": "\(organization)", "images": "\(images)"])
    case .preloaded(let organization, let images, let isWhole):
      logger.info(
        isWhole ? "the register is in memory" : "a part of the register is in memory",
        metadata: ["organization": "\(organization)", "images": "\(images)"])
    case .historyReplaced(let organization):
      logger.warning(
        "the feed is not the one followed so far; everything is read anew",
        metadata: ["organization": "\(organization)"])
    case .stopped(let organization, let why):
      logger.critical(
        "checks are not answered any more",
        metadata: ["organization": "\(organization)", "why": "\(why)"])
    }
  }

  /// For the tests that must notice a broken checker; debug builds only.
  private static func mutant(_ logger: Logger) -> CheckingMutant? {
    #if DEBUG
      guard let name = ProcessInfo.processInfo.environment["CONSENTD_MUTANT"], !name.isEmpty
      else { return nil }
      guard HistoryMutant(rawValue: name) == nil else { return nil }
      guard let mutant = CheckingMutant(rawValue: name) else {
        logger.critical("CONSENTD_MUTANT names no mutant", metadata: ["name": "\(name)"])
        return nil
      }
      logger.critical("this server is broken on purpose", metadata: ["mutant": "\(name)"])
      return mutant
    #else
      return nil
    #endif
  }
}
