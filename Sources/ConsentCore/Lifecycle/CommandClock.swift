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
  public let facts: Facts
  public let clock: CommandClock
  let errors: EnteredErrors

  public init(facts: Facts, clock: CommandClock) {
    self.facts = facts
    self.clock = clock
    errors = EnteredErrors(facts.enteredInError)
  }

  /// The policy in force now.
  public var policy: Policy { facts.policy(at: clock.now, errors: errors) }

  /// The stamp the records of this change count with while the change is worked out.
  var stamp: Stamp { Stamp(position: facts.position + 1, recorded: clock.now, by: "") }

  /// The facts as they will be.
  func facts(after record: Record) -> Facts {
    var after = facts
    var stamped = record
    stamped.stamp = stamp
    after.insert(stamped)
    return after
  }

  func refuse(_ violations: [FieldViolation]) throws(CommandRefusal) {
    if !violations.isEmpty { throw .invalid(violations) }
  }
}
