/// Look-ups broken on purpose, each of which a test must catch. A release build has none.
enum BrokenLookup: Sendable {
  /// Progress is committed before the rows it is about.
  case movesOnFirst
  /// Of several keys of a decision the first only is kept.
  case knowsFirstKeyOnly
  /// Of the runs that are merged the last is left out.
  case losesRunInMerge
}

/// Places at which a test may end the work.
enum LookupPoint: Sendable, CaseIterable {
  case readRecords
  case betweenRowsAndProgress
  case beforeCommit
  /// The new run is written, the old ones are not removed.
  case mergedRuns
}

extension PostgresConsentStore.Options {
  func isBroken(_ way: BrokenLookup) -> Bool {
    #if DEBUG
      brokenLookup == way
    #else
      false
    #endif
  }

  func reachLookup(_ point: LookupPoint) throws {
    #if DEBUG
      try reachesLookup?(point)
    #endif
  }
}
