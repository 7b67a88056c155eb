import ConsentCore
import Synchronization

/// Deciders with one deliberate mistake each. A property that lets its mistakes pass is no test.
extension Decider {
  static let ignoresRevocations = broken(named: "ignores revocations") {
    $0.facts.revocations = []
  }

  static let ignoresDenies = broken(named: "a permit always defeats a deny") {
    $0.facts.instruments.removeAll { $0.kind == .refusal }
  }

  static let ignoresRestrictions = broken(named: "ignores agreed restrictions") {
    $0.facts.instruments.removeAll { $0.kind == .restrictionAgreed }
  }

  static let ignoresEnteredInError = broken(named: "ignores records of entry in error") {
    $0.facts.enteredInError = []
  }

  static let ignoresMerges = broken(named: "ignores merges") { $0.facts.merges = [] }

  static let ignoresUnmerges = broken(named: "ignores unmerges") { $0.facts.unmerges = [] }

  static let ignoresLineage = broken(named: "ignores the sources of a derivative") {
    for index in $0.facts.images.indices { $0.facts.images[index].sources = [] }
  }

  static let ignoresPart2 = broken(named: "ignores Part 2 marks") {
    for index in $0.facts.images.indices { $0.facts.images[index].part2 = nil }
  }

  static let ignoresUnevaluable = broken(named: "skips records it cannot evaluate") {
    $0.facts.unevaluable = []
  }

  /// Half-open intervals read as closed: an end is seen one microsecond late.
  static let closedIntervals = broken(named: "off by one at until") {
    $0.at = $0.at.adding(microseconds: -1)
  }

  static let firstPaperSpeaks = broken(named: "reads the first paper only") {
    $0.facts.instruments = Array($0.facts.instruments.prefix(1))
  }

  static let lastVersionInArraySpeaks = broken(named: "the image version read last speaks") {
    for index in $0.facts.images.indices { $0.facts.images[index].version = index }
  }

  static let consentReplacesAuthorization = broken(named: "a consent replaces authorization") {
    for index in $0.facts.instruments.indices where $0.facts.instruments[index].kind == .consent {
      $0.facts.instruments[index].kind = .authorization
    }
  }

  static let permitsByDefault = broken(named: "permits by default") { answer, _ in
    guard answer.primary == .noAuthorization else { return answer }
    return Answer(effect: .permit, primary: .noAuthorization, obligations: [])
  }

  /// Two refusals "cancel" each other.
  static let deniesCancelOut = broken(named: "an even number of refusals is none") {
    if $0.facts.instruments.count(where: { $0.kind == .refusal }).isMultiple(of: 2) {
      $0.facts.instruments.removeAll { $0.kind == .refusal }
    }
  }

  static let emergencyOpensAll = broken(named: "an emergency opens every use") {
    answer, asked in
    guard asked.request.emergency != nil, asked.request.actor?.role == .clinician else {
      return answer
    }
    return Answer(
      effect: .permit, primary: .emergencyOverride, obligations: [.reviewWithin(hours: 72)])
  }

  static let hasNoChannelGate = broken(named: "has no channel gate") { answer, _ in
    guard answer.primary == .channelNotPermitted else { return answer }
    return Answer(effect: .permit, primary: .authorizationValid, obligations: [])
  }

  static let showsPart2 = broken(named: "shows Part 2 reasons to everybody") {
    $0.caller.seesPart2 = true
  }

  static let derivesUpwards = broken(named: "facts of a derivative reach its source") {
    let images = $0.facts.images
    for index in images.indices {
      $0.facts.images[index].sources =
        images.filter { $0.sources.contains(images[index].key) }.map(\.key)
    }
  }

  // MARK: Ends of validity

  static let validTooLong = shifted(named: "valid until a microsecond too late", by: 1)
  static let validTooShort = shifted(named: "valid until a microsecond too early", by: -1)
  static let validForever = Decider(
    name: "valid for ever", answer: reference.answer, validUntil: { _ in nil },
    shown: reference.shown)

  private static func shifted(named name: String, by delta: Int64) -> Decider {
    Decider(
      name: name, answer: reference.answer,
      validUntil: { reference.validUntil($0)?.adding(microseconds: delta) },
      shown: reference.shown)
  }

  // MARK: Memory, which a pure function does not have

  /// Another answer to every seventh question.
  static let forgetsNow: Decider = {
    let memory = Memory()
    return broken(named: "answers differently every seventh time") { answer, _ in
      let asked = memory.asked.withLock { asked in
        asked += 1
        return asked
      }
      guard asked.isMultiple(of: 7) else { return answer }
      return Answer(effect: .deny, primary: .noAuthorization, obligations: [])
    }
  }()

  /// Keeps what it once found out for a request, whatever the facts are by then.
  static let remembersAnswers: Decider = {
    let memory = Memory()
    return broken(named: "keeps answers beyond their facts") { answer, asked in
      memory.found.withLock { found in
        if let known = found[asked.request] { return known }
        found[asked.request] = answer
        return answer
      }
    }
  }()

  private final class Memory: Sendable {
    let asked = Mutex(0)
    let found = Mutex<[CheckRequest: Answer]>([:])
  }
}
