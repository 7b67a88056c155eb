/// When a command is carried out.
///
/// INVARIANT: `now` is the `known` instant under the organization's lock, the one the store stamps
/// the change with; so an event's instant and its record's are the same.
public struct CommandClock: Hashable, Sendable {
  public var now: Instant
  /// The organization's local day at `now`.
  public var today: LocalDay

  public init(now: Instant, today: LocalDay) {
    self.now = now
    self.today = today
  }
}

/// Builds changes from commands and facts; decides nothing about storage and waits for nothing.
///
/// The facts are those of the patients a command names, of everyone they were ever merged with,
/// and of all their images. A refusal changes nothing.
public struct ChangeBuilder: Sendable {
  private(set) var known: IndexedFacts
  public let clock: CommandClock

  public init(facts: Facts, clock: CommandClock) {
    known = IndexedFacts(facts)
    self.clock = clock
  }

  public var facts: Facts { known.facts }
  var errors: EnteredErrors { known.errors }

  /// Counts a change of the same transaction among the facts, so that the next may build on it.
  public mutating func insert(_ change: Change) {
    for (record, _) in change.records {
      var stamped = record
      stamped.stamp = stamp
      known.insert(stamped)
    }
  }

  /// The policy in force now.
  public var policy: Policy { facts.policy(at: clock.now, errors: errors) }

  /// The stamp the records of this change count with while the change is worked out.
  var stamp: Stamp { Stamp(position: facts.position + 1, recorded: clock.now, by: "") }

  /// The facts as they will be.
  func facts(after record: Record) -> IndexedFacts {
    var after = known
    var stamped = record
    stamped.stamp = stamp
    after.insert(stamped)
    return after
  }

  /// The images as they are now, for grants to be held against.
  var reach: ImageReach { ImageReach(known, at: clock.now) }

  func refuse(_ violations: [FieldViolation]) throws(CommandRefusal) {
    if !violations.isEmpty { throw .invalid(violations) }
  }
}
