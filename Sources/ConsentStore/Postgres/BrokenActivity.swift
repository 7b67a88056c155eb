internal import Synchronization

/// Activity logs written wrongly on purpose, each of which a test must catch. A release build has
/// none.
enum BrokenActivity: Sendable {
  /// Calls are answered before COMMIT is.
  case tellsBeforeCommit
  /// What a log stands at is not compared with what this node left it at.
  case forgetsTail
  /// A batch in doubt is logged again instead of looked for.
  case repeatsInDoubt
  /// A log begins without a word about the others.
  case namesNoLogs
}

extension PostgresConsentStore.Options {
  func isBroken(_ way: BrokenActivity) -> Bool {
    #if DEBUG
      brokenActivity == way
    #else
      false
    #endif
  }
}

extension ActivityRunner {
  /// The answer itself, but where a broken variant answers twice.
  func answeringOnce(
    _ answer: @escaping @Sendable (Outcome) -> Void
  ) -> @Sendable (Outcome) -> Void {
    #if DEBUG
      let isOpen = Mutex(true)
      return { outcome in
        let isFirst = isOpen.withLock { isOpen in
          defer { isOpen = false }
          return isOpen
        }
        if isFirst { answer(outcome) }
      }
    #else
      return answer
    #endif
  }
}
