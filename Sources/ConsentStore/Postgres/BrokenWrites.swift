/// Writers broken on purpose, each of which a test must catch. A release build has none.
enum BrokenWrites: Sendable {
  /// What a body wrote before it threw is committed with its neighbours' changes.
  case keepsPartialWrites
  /// Outcomes are told before COMMIT is answered.
  case answersBeforeCommit
  /// A change in doubt is run again under another key, so that its reply is not found.
  case repeatsWithoutLooking
  /// One change's error is everybody's.
  case sharesFailures
  /// Decisions of a change that was found to stand are answered unsigned.
  case forgetsTriedLog
  /// A feed is the one that was seen if it is as long.
  case trustsPositions
  /// What was read ahead is handed out though a change of the same transaction concerns it.
  case remembersTooLong
  /// A statement runs before what earlier changes of the transaction add is sent.
  case readsPastNeighbours
}

extension PostgresConsentStore.Options {
  func isBroken(_ way: BrokenWrites) -> Bool {
    #if DEBUG
      brokenWrites == way
    #else
      false
    #endif
  }
}
