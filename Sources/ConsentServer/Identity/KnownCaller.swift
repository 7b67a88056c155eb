/// A caller who was found to be known, and when the same credential need not be looked at again:
/// `CallerDirectory.isCurrent`.
final class KnownCaller: Sendable {
  let principal: Principal
  /// The instants at which the credential holds, in microseconds since 1970; `nil` for one that does
  /// not end by the clock.
  let holds: ClosedRange<Int64>?
  /// Of the directory that knew the caller.
  let generation: UInt64?

  init(_ principal: Principal, holds: ClosedRange<Int64>?, generation: UInt64) {
    self.principal = principal
    self.holds = holds
    self.generation = generation
  }

  /// For one call alone.
  init(once principal: Principal) {
    self.principal = principal
    holds = nil
    generation = nil
  }
}

/// What ends a caller's being known, apart from the caller's coming with something else.
enum CurrencyRule: CaseIterable {
  /// The files were replaced.
  case replaced
  /// The clock says that the credential does not hold.
  case time
}
