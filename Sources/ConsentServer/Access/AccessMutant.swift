/// Ways to answer without a trail, each of which a test must notice. Debug builds can be told to
/// behave so; a release build has no such code.
enum AccessMutant: CaseIterable, Sendable {
  /// Nothing is logged.
  case forgetAccess
  /// The answer leaves while its access is still being logged.
  case answerBeforeLogging
  /// The answer leaves also if its access could not be logged.
  case answerUnlogged
}

/// Which mutant this is, if any; always none in a release build.
struct AccessDeviation: Sendable {
  #if DEBUG
    var mutant: AccessMutant?

    func isOn(_ mutant: AccessMutant) -> Bool { self.mutant == mutant }
  #else
    @inline(__always) func isOn(_ mutant: AccessMutant) -> Bool { false }
  #endif
}
