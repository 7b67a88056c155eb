public import ConsentCore

/// How far the look-up of logged decisions is behind the logs of one organization.
public struct LookupBacklog: Hashable, Sendable {
  public var organization: OrganizationID
  /// Logged decisions that are not looked up yet. They are found all the same, by reading them.
  public var decisions: UInt64
  /// When the oldest of them was logged; `nil` if there is none.
  public var oldest: Instant?
  /// There is something to do; also where a log has ended and that is not noted yet.
  public var isDue: Bool

  public init(
    organization: OrganizationID, decisions: UInt64, oldest: Instant?, isDue: Bool
  ) {
    self.organization = organization
    self.decisions = decisions
    self.oldest = oldest
    self.isDue = isDue
  }
}

/// How many permitted uses rested on grants.
public struct UseCount: Hashable, Sendable {
  public var uses: Int
  /// Those at or after the notice.
  public var afterNotice: Int
  /// False: there may be more, which were not counted so as not to wait for it.
  public var isWhole: Bool

  public init(uses: Int = 0, afterNotice: Int = 0, isWhole: Bool = true) {
    self.uses = uses
    self.afterNotice = afterNotice
    self.isWhole = isWhole
  }
}

/// The work behind the answer path that makes logged decisions quick to find. Nothing depends on it
/// but time: what is not looked up yet is read, so no answer ever misses a decision.
public protocol DecisionLookup: Sendable {
  /// What is left to do, of those organizations with logs that may still grow or are not done.
  func lookupBacklog(of organizations: [OrganizationID]) async throws -> [LookupBacklog]

  /// Looks up the next decisions of each log, about `most` of them, all or nothing.
  ///
  /// Any node may do it for any log; one does a log at a time.
  /// - Returns: how many it were; 0 when nothing is left that nobody else works on.
  func extendLookup(of organization: OrganizationID, atMost most: Int) async throws -> Int
}

extension FactReader {
  /// Permitted uses that rest on any of `grants`, each once however many of them it rests on.
  ///
  /// - Parameters:
  ///   - position: only those decided below it.
  ///   - notice: see `UseCount.afterNotice`.
  public func countUses(
    under grants: Set<GrantID>, below position: UInt64?, notice: Instant
  ) throws -> UseCount {
    var seen: Set<DecisionID> = []
    var count = UseCount()
    for grant in grants {
      let filter = DecisionFilter(
        positionUntil: position, basisGrant: grant, effect: .permit, usesOnly: true)
      for logged in try decisions(filter, limit: .max) where seen.insert(logged.id).inserted {
        count.uses += 1
        if logged.entry.decision.at >= notice { count.afterNotice += 1 }
      }
    }
    return count
  }
}
