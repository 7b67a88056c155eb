extension ChangeBuilder {
  /// Declares a named event on which grants may expire.
  public func declareExpiryEvent(_ event: ExpiryEvent) throws(CommandRefusal) -> Change {
    if isBlank(event.definition) {
      throw .invalid([FieldViolation("expiry_event.definition", "say what the event is")])
    }
    if let patient = event.patient { try requirePatient(patient, field: "expiry_event.patient") }
    return simpleChange(.expiryEvent(event), .expiryEventDeclared, patient: event.patient)
  }

  /// The event happened. Grants on it expire from the later of occurred and recorded, which is now;
  /// their own events come with `dueEnds`.
  public func resolveExpiryEvent(
    _ resolution: ExpiryEventResolution
  ) throws(CommandRefusal) -> Change {
    guard let event = facts.expiryEvents.first(where: { $0.id == resolution.event }),
      !errors.contains(.expiryEvent, event.id)
    else { throw .unknownRecord(.init(kind: .expiryEvent, id: resolution.event.retyped())) }
    if resolution.occurred > clock.now {
      throw .invalid([
        FieldViolation("resolution.occurred", "record the event once it has occurred")
      ])
    }
    if facts.occurrence(of: event.id, errors: errors) != nil {
      throw .notAllowed(rule: "records", description: "the event is resolved already")
    }
    let onIt = facts.instruments.flatMap { paper in
      paper.grants.filter { $0.expiry == .event(event.id) }.map { (paper, $0) }
    }
    var change = Change()
    let record = Record.expiryEventResolution(resolution)
    change.append(
      record,
      event: .of(
        .expiryEventResolved, RecordReference(kind: .expiryEventResolution, id: record.id),
        patient: event.patient, grants: onIt.map(\.1),
        images: reach.images(of: onIt.map { (paper: $0.0, grant: $0.1) }), at: clock.now))
    return change
  }

  func simpleChange(
    _ record: Record, _ kind: EventKind, patient: PatientID?, images: [ImageKey] = []
  ) -> Change {
    var change = Change()
    change.append(
      record,
      event: .of(
        kind, RecordReference(kind: record.kind, id: record.id), patient: patient, images: images,
        at: clock.now))
    return change
  }
}
