import Foundation
import Logging

/// Ways to look at the history of a database wrongly, each of which a test must notice. Debug builds
/// can be told to behave so (`CONSENTD_MUTANT`); a release build has no such code.
enum HistoryMutant: String {
  /// Whatever the database holds is taken for what was seen.
  case trustAnyHistory = "trust-any-history"
  /// A feed is the one that was seen if it is as long.
  case trustPositions = "trust-positions"

  static func isOn(_ mutant: HistoryMutant) -> Bool {
    #if DEBUG
      guard ProcessInfo.processInfo.environment["CONSENTD_MUTANT"] == mutant.rawValue else {
        return false
      }
      Logger(label: "consentd").critical(
        "this server is broken on purpose", metadata: ["mutant": "\(mutant.rawValue)"])
      return true
    #else
      return false
    #endif
  }
}
