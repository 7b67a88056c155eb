internal import ConsentCore
internal import ConsentStore
internal import Synchronization

// Batches: sealed, taken on the index, validated and logged in one round trip.
extension OrganizationChecker {
  private enum Work {
    case group(ReadGroup)
    case taken(Ahead)
    case sealed([CheckCall])
  }

  func batches() async {
    while let work = nextWork() {
      switch work {
      case .group(let group): await log(group)
      case .taken(let ahead): await log(ahead)
      case .sealed(let calls): await check(calls)
      }
    }
  }

  private func nextWork() -> Work? {
    state.withLock { state in
      if !state.read.isEmpty { return .group(state.read.removeFirst()) }
      if let ahead = state.sealAhead(atMost: options.batchLimit) { return .taken(ahead) }
      guard !state.arrived.isEmpty else {
        state.isBatching = false
        return nil
      }
      let sealed = Array(state.arrived.prefix(options.batchLimit))
      state.arrived.removeFirst(sealed.count)
      return .sealed(sealed)
    }
  }

  // MARK: Questions that the index answers

  func check(_ calls: [CheckCall]) async {
    guard let (head, taken) = take(calls) else { return }
    await log(taken, at: head)
  }

  /// INVARIANT (I2): the calls had arrived before the snapshot of each append here.
  func log(_ taken: [Taken], at head: FeedHead) async {
    var (head, taken) = (head, taken)
    do {
      var outcome = try await append(
        taken, at: head,
        AppendCondition(unlessFactsChangedAbove: condition(head), after: head.position))
      var rounds = 1
      if case .behind(let following) = outcome {
        rounds = 2
        let first = head
        let behind = taken.map(\.call)
        try await follow(following, after: head)
        guard let again = take(behind, notBefore: following.head) else { return }
        // That head was read after the calls had arrived: no further condition, no third round.
        (head, taken) = again
        let logged = deviation.isOn(.reusePosition) ? first : head
        outcome = try await append(
          taken, at: logged, AppendCondition(unlessFactsChangedAbove: nil, after: head.position))
      }
      await end(taken, at: head, outcome, rounds: rounds)
    } catch {
      failed(taken.map(\.call), error)
    }
  }

  private func condition(_ head: FeedHead) -> UInt64? {
    StopPoint.checkTaken.reached()
    if deviation.isOn(.skipHeadValidation) || deviation.isOn(.appendBlindly) { return nil }
    if deviation.isOn(.compareWithApplied) {
      return index.withLock { $0.applied?.position } ?? head.position
    }
    return head.position
  }

  /// Takes the decisions of those calls whose facts are in the index, all at its one position; the
  /// others go their way.
  ///
  /// - Parameter notBefore: a head that the index must have reached; what it has not goes to be read.
  /// - Returns: `nil` if nothing is left to be logged.
  func take(
    _ calls: [CheckCall], notBefore: FeedHead? = nil
  ) -> (head: FeedHead, taken: [Taken])? {
    guard let held = look(up: calls, notBefore: notBefore) else { return nil }
    let now = instant(at: held.head)
    var taken: [Taken] = []
    taken.reserveCapacity(held.found.count)
    for found in held.found {
      let call = found.call
      let view = IndexView(
        held.settings, at: held.head, now: now, found.entries, identifiers: found.identifiers,
        earlier: found.earlier)
      guard let decided = try? call.body(view), !decided.isEmpty else {
        // What was refused on the index has been confirmed by nothing yet.
        fallBack(call)
        continue
      }
      taken.append(Taken(call: call, entries: decided))
    }
    return taken.isEmpty ? nil : (held.head, taken)
  }

  /// One look under the lock for all calls, so that they share a position.
  private func look(
    up calls: [CheckCall], notBefore: FeedHead?
  ) -> (settings: OrganizationSettings, head: FeedHead, found: [FoundCall])? {
    var lacking: [CheckCall] = []
    var found: [FoundCall] = []
    found.reserveCapacity(calls.count)
    let held = index.withLock { index -> (OrganizationSettings, FeedHead)? in
      guard let settings = index.settings, let head = index.applied,
        head.position >= notBefore?.position ?? 0
      else {
        lacking = calls
        return nil
      }
      for call in calls where !call.isOver {
        if let entry = index.found(for: call, at: head) {
          found.append(entry)
        } else {
          lacking.append(call)
        }
      }
      return (settings, head)
    }
    put(lacking, lacking: true)
    guard let held, !found.isEmpty else { return nil }
    return (held.0, held.1, found)
  }

  /// Brings the index up to a head that an append saw.
  private func follow(_ following: FeedFollowing, after head: FeedHead) async throws {
    let reaches = (following.rows.last?.position ?? head.position) == following.head.position
    guard reaches else { return }
    let isReplaced = index.withLock { index in
      do throws(FactIndex.Fault) {
        try index.follow(
          following.rows, to: following.head,
          holdsPart2: following.rows.isEmpty ? nil : following.holdsPart2)
        return false
      } catch {
        return error == .historyReplaced
      }
    }
    if isReplaced { begin(anewFor: []) }
  }

  // MARK: Questions whose facts were read

  /// INVARIANT (I2): the head was read after the calls had arrived.
  private func log(_ group: ReadGroup) async {
    let fill = group.fill
    let now = instant(at: fill.head)
    let parts = Dictionary(
      fill.parts.flatMap { part in
        part.images.map {
          ($0.key, ImageCase($0.key, facts: part.facts(of: $0, under: fill.rules)))
        }
      },
      uniquingKeysWith: { first, _ in first })
    var taken: [Taken] = []
    for call in group.calls where !call.isOver {
      do {
        let view = IndexView(
          fill.settings, at: fill.head, now: now, .many(parts), identifiers: fill.identifiers,
          earlier: fill.heads[call.atLeast])
        let entries = try call.body(view)
        if entries.isEmpty {
          fallBack(call)
        } else {
          taken.append(Taken(call: call, entries: entries))
        }
      } catch is IndexView.NotAtHand {
        fallBack(call)
      } catch {
        call.fail(error)
      }
    }
    guard !taken.isEmpty else { return }
    do {
      let outcome = try await append(
        taken, at: fill.head,
        AppendCondition(unlessFactsChangedAbove: nil, after: fill.head.position))
      await end(taken, at: fill.head, outcome, rounds: 1)
    } catch {
      failed(taken.map(\.call), error)
    }
  }

  // MARK: The log

  private func append(
    _ taken: [Taken], at head: FeedHead, _ condition: AppendCondition
  ) async throws -> AppendOutcome {
    if let why = state.withLock({ $0.stopped }) { throw StoreError.unavailable(why) }
    var condition = condition
    #if DEBUG
      if deviation.isOn(.ignoreLogTail) { condition.forgetLogTail() }
      if deviation.isOn(.appendBlindly) { condition.forgetFeed() }
      if deviation.isOn(.answerBeforeCommit) { answerUnlogged(taken, at: head) }
    #endif
    beginTakingAhead()
    defer { state.withLock { $0.isAppending = false } }
    return try await store.append(
      organization, TakenDecisions(taken.flatMap(\.entries), at: head), if: condition)
  }

  #if DEBUG
    private func answerUnlogged(_ taken: [Taken], at head: FeedHead) {
      for taken in taken {
        let logged = taken.entries.map {
          LoggedDecision(
            id: DecisionID(log: ID(high: 0, low: 0), leaf: 0), entry: $0, head: head)
        }
        taken.call.answer(.success(logged))
      }
    }
  #endif

  private func end(
    _ taken: [Taken], at head: FeedHead, _ outcome: AppendOutcome, rounds: Int
  ) async {
    switch outcome {
    case .logged(let logged, let following):
      report(.logged(decisions: logged.count, rounds: rounds))
      // Answers leave first: what the feed holds above them is not theirs.
      together {
        var rest = logged[...]
        for taken in taken {
          let own = rest.prefix(taken.entries.count)
          rest = rest.dropFirst(own.count)
          guard own.count == taken.entries.count else {
            taken.call.fail(StoreError.unavailable("the log lacks a record; ask again"))
            continue
          }
          taken.call.answer(.success(Array(own)))
        }
      }
      if let following, !following.rows.isEmpty { try? await follow(following, after: head) }
    case .behind:
      // An append without a condition cannot be behind.
      failed(taken.map(\.call), StoreError.unavailable("the register changes too fast; ask again"))
    case .historyReplaced: begin(anewFor: taken.map(\.call))
    }
  }
}

/// A call with all that it asks for.
struct FoundCall {
  var call: CheckCall
  var entries: IndexView.Entries
  var identifiers: [Identifier: [PatientID]] = [:]
  var earlier: FeedHead?
}

extension FactIndex {
  /// All that a call asks for, or `nil` if any of it has to be read.
  mutating func found(for call: CheckCall, at head: FeedHead) -> FoundCall? {
    guard call.atLeast <= head.position else { return nil }
    var found: FoundCall
    if call.images.count == 1 {
      guard let image = imageCase(call.images[0]) else { return nil }
      found = FoundCall(call: call, entries: .one(image))
    } else {
      var entries: [ImageKey: ImageCase] = [:]
      for key in call.images {
        guard let image = imageCase(key) else { return nil }
        entries[key] = image
      }
      found = FoundCall(call: call, entries: .many(entries))
    }
    for identifier in call.identifiers {
      guard let patients = patients(identifiedBy: identifier) else { return nil }
      found.identifiers[identifier] = patients
    }
    if call.atLeast > 0 {
      guard let earlier = self.head(at: call.atLeast) else { return nil }
      found.earlier = earlier
    }
    return found
  }
}
