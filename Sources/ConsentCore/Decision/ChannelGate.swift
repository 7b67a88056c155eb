// The last gate, for an identifiable image: the channel is open for this use.

extension Moment {
  func channelGate(_ verdict: Verdict) -> Verdict {
    guard let question = file.question, verdict.primary != .notPHIDeidentified else {
      return verdict
    }
    let patient = holders.first.flatMap { $0.count == 1 ? $0.first : nil }
    let open = policy.channels(use: question.use, audience: question.audience, patient: patient)
    guard !open.contains(question.channel) else { return verdict }
    if verdict.effect == .permit {
      var closed = verdict.superseded(by: .channelNotPermitted, effect: .deny)
      closed.obligations = []
      return closed
    }
    // The ladder's reason stays first; an incomplete request is not judged further.
    guard file.lineage != nil, file.request.missingFields.isEmpty else { return verdict }
    var denied = verdict
    denied.further.append(.channelNotPermitted)
    return denied
  }
}
