/// A study or a list, answered image by image. There is no answer for "the study".
public struct GroupRequest: Hashable, Sendable, Codable {
  /// The question of each image; its `image` is replaced.
  public var question: CheckRequest
  public var images: [ImageKey]
  /// How many images the group has by the caller's account, such as Number of Study Related
  /// Instances (0020,1208); `nil`: exactly the images listed.
  public var expectedCount: Int?

  public init(question: CheckRequest, images: [ImageKey], expectedCount: Int? = nil) {
    self.question = question
    self.images = images
    self.expectedCount = expectedCount
  }
}

/// The answer for a group: a summary, and the answer for each image.
public struct GroupDecision: Hashable, Sendable, Codable {
  public struct Member: Hashable, Sendable, Codable {
    public var image: ImageKey
    public var decision: Decision

    public init(image: ImageKey, decision: Decision) {
      self.image = image
      self.decision = decision
    }
  }

  /// PERMIT only if every member of the whole group is permitted.
  public var effect: Effect
  /// The common primary reason; `partialScope` if members differ in effect or any is missing.
  public var primary: Reason
  /// Each image once, in the order asked.
  public var members: [Member]
  public var expectedCount: Int
  /// Of every member the earliest; `nil` = none.
  public var validUntil: Instant?
  public var at: Instant
  public var position: UInt64

  public var permittedCount: Int { members.count { $0.decision.effect == .permit } }
  public var deniedCount: Int { members.count - permittedCount }
  /// Images of the group that were not named: never permitted.
  public var missingCount: Int { max(0, expectedCount - members.count) }

  /// The members whose answer is not the summary's: one log record holds these and a count.
  public var differing: [Member] {
    members.filter { $0.decision.effect != effect || $0.decision.primary != primary }
  }

  /// The denied members: what PARTIAL_SCOPE is about.
  public var denied: [Member] { members.filter { $0.decision.effect == .deny } }

  public func masked(for caller: CallerLimits, holdsPart2: Bool) -> GroupDecision {
    var masked = self
    for index in masked.members.indices {
      masked.members[index].decision = members[index].decision
        .masked(for: caller, holdsPart2: holdsPart2)
    }
    // As a single decision's: of several reasons of members the summary tells one as well.
    masked.primary =
      Decision(effect: effect, primary: primary, at: at)
      .masked(for: caller, holdsPart2: holdsPart2).primary
    let reasons = Set(masked.members.map(\.decision.primary))
    if primary != .partialScope, reasons.count == 1, let only = reasons.first {
      masked.primary = only
    }
    return masked
  }
}

/// Decides each image of a group and sums up.
///
/// An empty group is DENY `imageUnknown`. Any member that is denied, unregistered or missing by the
/// expected count beside permitted ones makes `partialScope`. If every member is denied and none is
/// missing, the DENY has the members' reason of highest precedence.
public func decideGroup(
  _ group: GroupRequest, caller: CallerLimits, facts: Facts, at: Instant
) -> GroupDecision {
  let known = IndexedFacts(facts)
  var members: [GroupDecision.Member] = []
  var seen = Set<ImageKey>()
  for image in group.images where seen.insert(image).inserted {
    var request = group.question
    request.image = image
    let decision = decide(request, caller: caller, facts: known, at: at)
    members.append(.init(image: image, decision: decision))
  }
  let expected = max(group.expectedCount ?? members.count, members.count)
  let permitted = members.count { $0.decision.effect == .permit }
  let reasons = members.map(\.decision.primary).distinctByRank
  let isWhole = expected == members.count && !members.isEmpty
  let primary: Reason
  if members.isEmpty {
    primary = .imageUnknown
  } else if isWhole, permitted == 0 || permitted == members.count {
    primary = reasons.first ?? .imageUnknown
  } else {
    primary = .partialScope
  }
  return GroupDecision(
    effect: isWhole && permitted == members.count ? .permit : .deny, primary: primary,
    members: members, expectedCount: expected,
    validUntil: members.compactMap(\.decision.validUntil).min(), at: at,
    position: facts.position)
}
