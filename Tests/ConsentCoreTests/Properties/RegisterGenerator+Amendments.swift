import ConsentCore

/// Records that change what other records mean.
extension RegisterGenerator {
  private var instruments: [Instrument] {
    register.records.compactMap { record in
      if case .instrument(let instrument) = record { instrument } else { nil }
    }
  }

  mutating func addRevocation() {
    guard let instrument = instruments.randomElement(using: &random) else {
      return addInstrument()
    }
    let signer = signer()
    let stamp = stamp()
    let day = max(0, SmallWorld.dayIndex(of: stamp.recorded) - random.number(0...1))
    append(
      .revocation(
        Revocation(
          id: id(), patient: instrument.patient,
          grants: random.chance(60)
            ? instrument.grants.map(\.id)
            : random.some(of: instrument.grants.map(\.id), percent: 50),
          method: random.one(of: [.written, .written, .oral, .portal]), signer: signer,
          signed: SignedTime(day: SmallWorld.day(day)), received: stamp.recorded, stamp: stamp)))
  }

  /// Any record but a form or the declaration of an event, other mistakes included.
  mutating func enterSomethingInError() {
    let kinds: Set<RecordKind> = [.form, .expiryEvent]
    var targets = register.records.filter { !kinds.contains($0.kind) }
      .map { RecordReference(kind: $0.kind, id: $0.id) }
    targets += register.unevaluable.map(\.reference)
    guard let target = targets.randomElement(using: &random) else { return }
    append(.enteredInError(EnteredInError(id: id(), target: target, note: "", stamp: stamp())))
  }

  mutating func addFalseInformation() {
    guard let instrument = instruments.randomElement(using: &random) else { return }
    append(
      .falseInformation(
        FalseInformation(id: id(), instrument: instrument.id, note: "", stamp: stamp())))
  }

  mutating func addEvidence() {
    guard let instrument = instruments.randomElement(using: &random) else { return }
    append(
      .authorityEvidence(
        AuthorityEvidence(
          id: id(), instrument: instrument.id,
          finding: random.one(of: AuthorityEvidence.Finding.allCases), verifiedBy: "clerk",
          note: "", stamp: stamp())))
  }

  mutating func addRestrictionEnd() {
    let restrictions = instruments.filter { $0.kind == .restrictionAgreed }
    guard let instrument = restrictions.randomElement(using: &random) else {
      return append(.instrument(self.instrument(kind: .restrictionAgreed)))
    }
    append(
      .restrictionEnd(
        RestrictionEnd(id: id(), instrument: instrument.id, note: "", stamp: stamp())))
  }

  mutating func addExpiryEvent() {
    let event = ExpiryEvent(
      id: id(), patient: nil, definition: "end of course",
      expectedBy: random.one(of: SmallWorld.ticks), stamp: stamp())
    events.append(event)
    append(.expiryEvent(event))
  }

  mutating func addExpiryEventResolution() {
    guard let event = events.randomElement(using: &random) else { return addExpiryEvent() }
    append(
      .expiryEventResolution(
        ExpiryEventResolution(
          id: id(), event: event.id, occurred: random.one(of: SmallWorld.ticks), stamp: stamp())))
  }

  mutating func addUnevaluable() {
    register.unevaluable.append(
      UnevaluableRecord(
        reference: RecordReference(kind: .instrument, id: id()),
        patient: random.one(of: patients),
        use: random.chance(60) ? random.one(of: Use.allCases) : nil, stamp: stamp()))
  }
}
