/// Ways to break the promises of this module, each of which a test must notice. Debug builds can be
/// told to behave so; a release build has no such code.
public enum CheckingMutant: String, CaseIterable, Sendable {
  /// Decisions on the index are appended without asking whether facts changed meanwhile.
  case skipHeadValidation = "skip-head-validation"
  /// The same, and the append does not look at the feed at all: its answers are followed by nothing.
  case appendBlindly = "append-blindly"
  /// They are compared with what is applied when the batch is sent, not with what it was taken at.
  case compareWithApplied = "compare-with-applied"
  /// What was read for the index is taken in whatever has been applied since.
  case fillWithoutPosition = "fill-without-position"
  /// Answers leave before their record is durable.
  case answerBeforeCommit = "answer-before-commit"
  /// The log is appended to wherever it stands.
  case ignoreLogTail = "ignore-log-tail"
  /// Decisions taken again are logged at the position of the first try.
  case reusePosition = "reuse-position"
  /// A decision's instant is the clock's, whatever was known before.
  case knownFromClock = "known-from-clock"
  /// The index keeps of no image which study and series it is of.
  case forgetScopes = "forget-scopes"
  /// The index goes on with the policies that it has when one is set.
  case keepPolicies = "keep-policies"
  /// A merge concerns only the patient that its row names.
  case forgetMerged = "forget-merged"
}

/// Which mutant this is, if any; always none in a release build.
struct Deviation: Sendable {
  #if DEBUG
    var mutant: CheckingMutant?

    init(_ mutant: CheckingMutant?) { self.mutant = mutant }

    func isOn(_ mutant: CheckingMutant) -> Bool { self.mutant == mutant }
  #else
    init(_ mutant: CheckingMutant?) {}

    @inline(__always) func isOn(_ mutant: CheckingMutant) -> Bool { false }
  #endif
}
