import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Decides a study, series or list image by image, as one logged decision.
  static func checkGroup(
    _ service: ConsentService, _ request: Consent_V1_CheckGroupRequest, by caller: Principal
  ) async throws -> Consent_V1_CheckGroupResponse {
    let now = service.clock.now()
    let asked = try RequestReader.read { $0.group(request, now: now, caller: caller) }
    let answer = Kept<GroupAnswer?>(nil)
    let logged: [LoggedDecision]
    if asked.question.request.emergency == nil {
      logged = try await service.store.decide(caller.organization) { reader in
        let (entry, group) = try asked.entry(in: reader)
        answer.set(group)
        return [entry]
      }
    } else {
      let kept = Kept<[LoggedDecision]>([])
      let receipt = try await service.store.write(
        caller.organization, by: caller.name, key: nil
      ) { writer in
        let (entry, group) = try asked.entry(in: writer)
        let logged = try writer.log([entry])
        try writer.append(overridesIn: logged)
        answer.set(group)
        kept.set(logged)
        return []
      }
      service.changed(caller.organization)
      logged = receipt.answerable(kept.value)
    }
    guard let logged = logged.first, let answer = answer.value else {
      throw ServiceError.internalFault
    }
    return answer.response(logged, to: caller.limits)
  }
}

/// A group as asked for.
struct AskedGroup: Sendable {
  enum Members: Sendable {
    case study(String)
    case series(String)
    case list([ImageKey])
  }

  var members: Members
  var expectedImages: [ImageKey]
  var expectedCount: Int?
  /// Its image is replaced by each member.
  var question: Question
  var caller: Principal
  var minPosition: KnownPosition?

  func entry(in reader: any FactReader) throws -> (DecisionEntry, GroupAnswer) {
    try minPosition?.require(in: reader)
    let images = try self.images(in: reader)
    let facts = try reader.facts(images: images, asOf: nil)
    let known = IndexedFacts(facts)
    var template = question
    if let first = images.first(where: { known.currentImage($0) != nil }) ?? images.first {
      template.request.image = first
    }
    let request = try template.resolved(
      in: reader, holder: known.currentImage(template.request.image)?.patient)
    let group = GroupRequest(
      question: request, images: images, expectedCount: expectation(images.count))
    let decision = decideGroup(group, caller: caller.limits, facts: facts, at: reader.now)
    let patients = Set(images.compactMap { known.currentImage($0)?.patient })
    let entry = DecisionEntry(
      caller: caller.name, limits: caller.limits, request: request,
      decision: decision.summary(facts: facts),
      patient: patients.count == 1 ? patients.first : nil,
      group: DecisionEntry.GroupEntry(
        images: images, expectedCount: group.expectedCount,
        differing: decision.differing.map {
          DecisionEntry.Differing(
            image: $0.image, effect: $0.decision.effect, reason: $0.decision.primary)
        }))
    let answer = GroupAnswer(
      decision: decision, request: request,
      unregistered: images.filter { known.currentImage($0) == nil },
      isOfUnknownSize: isOfUnknownSize, facts: facts)
    return (entry, answer)
  }

  /// The registered members and those the caller names, each once.
  private func images(in reader: any FactReader) throws -> [ImageKey] {
    let registered: [ImageKey]
    switch members {
    case .study(let uid): registered = try reader.images(study: uid)
    case .series(let uid): registered = try reader.images(series: uid)
    case .list(let images): registered = images
    }
    var seen: Set<ImageKey> = []
    return (registered + expectedImages).filter { seen.insert($0).inserted }
  }

  /// Nobody has said how many members there are, so the group cannot be known to be complete.
  private var isOfUnknownSize: Bool {
    if case .list = members { return false }
    return expectedCount == nil && expectedImages.isEmpty
  }

  private func expectation(_ count: Int) -> Int? {
    // One more than is known, so that what may be missing is never permitted by a summary.
    isOfUnknownSize && count > 0 ? count + 1 : expectedCount
  }
}

/// What is told of a group, beside its logged summary.
struct GroupAnswer: Sendable {
  var decision: GroupDecision
  var request: CheckRequest
  var unregistered: [ImageKey]
  var isOfUnknownSize: Bool
  var facts: Facts

  func response(
    _ logged: LoggedDecision, to limits: CallerLimits
  ) -> Consent_V1_CheckGroupResponse {
    let visible = decision.masked(for: limits, holdsPart2: facts.organizationHoldsPart2)
    var response = Consent_V1_CheckGroupResponse()
    response.decision = Consent_V1_Decision(logged: logged, visible: visible.summary(facts: facts))
    let count = isOfUnknownSize ? visible.members.count : visible.expectedCount
    response.imageCount = UInt32(clamping: count)
    response.permittedCount = UInt32(clamping: visible.permittedCount)
    // A partial scope is about the members it leaves out; the log keeps every difference.
    let told = visible.primary == .partialScope ? visible.denied : visible.differing
    response.differing = told.map { member in
      var own = request
      own.image = member.image
      return Consent_V1_ImageDecision(member.decision, request: own)
    }
    response.unregistered = unregistered.map(Consent_V1_ImageKey.init)
    return response
  }
}

extension GroupDecision {
  /// The group as one decision: what the log keeps and an answer leads with. A PERMIT carries the
  /// obligations of every member.
  func summary(facts: Facts) -> Decision {
    var further: [Reason] = []
    if primary == .partialScope {
      for member in denied where !further.contains(member.decision.primary) {
        further.append(member.decision.primary)
      }
    }
    var obligations: [Obligation] = []
    if effect == .permit {
      for member in members {
        for obligation in member.decision.obligations where !obligations.contains(obligation) {
          obligations.append(obligation)
        }
      }
    }
    return Decision(
      effect: effect, primary: primary, further: further, obligations: obligations,
      policyVersion: members.first?.decision.policyVersion ?? facts.policy(at: at).version,
      validUntil: validUntil, at: at, position: position)
  }
}

extension RequestReader {
  mutating func group(
    _ value: Consent_V1_CheckGroupRequest, now: Instant, caller: Principal
  ) -> AskedGroup? {
    let members = groupMembers(value)
    let expected = imageKeys(value.expectedImages, "expected_images", atMost: 10_000)
    if case .list? = members, !value.expectedImages.isEmpty || value.hasExpectedCount {
      refuse("images", "is complete by itself; leave out expected_images and expected_count")
    }
    if value.hasExpectedCount { _ = number(value.expectedCount, "expected_count", in: 1...100_000) }
    let stand = members.flatMap(\.standIn)
    let question = within("request") { reader in
      stand.flatMap { reader.completeQuestion(value.request, image: $0, now: now) }
    }
    let position = minPosition(value.hasMinPosition ? value.minPosition : nil)
    guard let members, let question else { return nil }
    return AskedGroup(
      members: members, expectedImages: expected,
      expectedCount: value.hasExpectedCount ? Int(value.expectedCount) : nil, question: question,
      caller: caller, minPosition: position)
  }

  private mutating func groupMembers(
    _ value: Consent_V1_CheckGroupRequest
  ) -> AskedGroup.Members? {
    switch value.group {
    case nil:
      refuse("group", "is required: a study_instance_uid, a series_instance_uid or images")
      return nil
    case .studyInstanceUid(let uid)?:
      return requiredUID(uid, "study_instance_uid").map(AskedGroup.Members.study)
    case .seriesInstanceUid(let uid)?:
      return requiredUID(uid, "series_instance_uid").map(AskedGroup.Members.series)
    case .images(let list)?:
      let images = within("images") { $0.imageKeys(list.images, "images", atMost: 10_000) }
      return .list(images)
    }
  }
}

extension AskedGroup.Members {
  /// Names the question of a group that turns out empty: its own UID, which is no image's.
  fileprivate var standIn: ImageKey? {
    switch self {
    case .study(let uid), .series(let uid): ImageKey(sopInstanceUID: uid)
    case .list(let images): images.first ?? ImageKey(sha256: [UInt8](repeating: 0, count: 32))
    }
  }
}
