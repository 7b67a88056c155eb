/// What a rung decides. The gates after the ladder may still change it.
struct Verdict {
  var effect: Effect
  var primary: Reason
  var further: [Reason] = []
  var records: [DecidingRecord] = []
  var obligations: [Obligation] = []
  /// An attested emergency may lift this DENY.
  var yieldsToEmergency = true

  static func deny(
    _ reason: Reason, further: [Reason] = [], records: [DecidingRecord] = []
  ) -> Verdict {
    Verdict(effect: .deny, primary: reason, further: further, records: records)
  }

  static func permit(
    _ reason: Reason, further: [Reason] = [], records: [DecidingRecord] = [],
    obligations: [Obligation] = []
  ) -> Verdict {
    Verdict(
      effect: .permit, primary: reason, further: further, records: records,
      obligations: obligations)
  }

  /// The new reason speaks; the former ones follow.
  func superseded(by reason: Reason, effect: Effect) -> Verdict {
    var verdict = self
    verdict.further = [primary] + further
    verdict.primary = reason
    verdict.effect = effect
    return verdict
  }
}
