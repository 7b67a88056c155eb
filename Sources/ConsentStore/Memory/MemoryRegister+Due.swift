internal import ConsentCore

/// What becomes due by the clock, told from the records each time it is asked for.
extension MemoryRegister {
  struct Due {
    var at: Instant
    var patient: PatientID
  }

  func due() -> [Due] {
    let errors = errorTargets()
    var due: [Due] = []
    var liveByEvent: [ID<ExpiryEvent>: [PatientID]] = [:]
    for case (.instrument(let instrument), _) in records {
      guard !errors.contains(RecordReference(kind: .instrument, id: instrument.id.retyped())) else {
        continue
      }
      for grant in instrument.grants where !hasEnded(grant.id) {
        let instants = endings(of: grant, patient: instrument.patient, errors: errors)
        due += instants.map { Due(at: $0, patient: instrument.patient) }
        if case .event(let event) = grant.expiry {
          liveByEvent[event, default: []].append(instrument.patient)
        }
        if grant.effectiveFrom > instrument.stamp.recorded, !told(.grantActivated, of: grant.id) {
          due.append(Due(at: grant.effectiveFrom, patient: instrument.patient))
        }
      }
    }
    return due + overdue(liveByEvent, errors: errors)
  }

  private func endings(
    of grant: Grant, patient: PatientID, errors: Set<RecordReference>
  ) -> [Instant] {
    switch grant.expiry {
    case .none: return []
    case .date(_, let until): return [until]
    case .majority:
      let versions = (placesByPatient[patient] ?? []).compactMap { place -> PatientRecord? in
        guard case .patient(let version) = records[place].record else { return nil }
        return version
      }
      return versions.max { $0.version < $1.version }?.majority.map { [$0] } ?? []
    case .event(let event):
      return resolutions(of: event, errors: errors).map(\.counts)
    }
  }

  private func overdue(
    _ liveByEvent: [ID<ExpiryEvent>: [PatientID]], errors: Set<RecordReference>
  ) -> [Due] {
    var due: [Due] = []
    for case (.expiryEvent(let event), _) in records {
      let reference = RecordReference(kind: .expiryEvent, id: event.id.retyped())
      guard let expected = event.expectedBy, !errors.contains(reference),
        resolutions(of: event.id, errors: errors).isEmpty,
        !feed.contains(where: {
          $0.event.kind == .expiryEventOverdue && $0.event.record == reference
        })
      else { continue }
      let patients = event.patient.map { [$0] } ?? liveByEvent[event.id] ?? []
      due += patients.map { Due(at: expected, patient: $0) }
    }
    return due
  }

  private func resolutions(
    of event: ID<ExpiryEvent>, errors: Set<RecordReference>
  ) -> [ExpiryEventResolution] {
    records.compactMap { record, _ in
      guard case .expiryEventResolution(let resolution) = record, resolution.event == event,
        !errors.contains(record.reference)
      else { return nil }
      return resolution
    }
  }

  /// What stands as entered in error; an entry that was itself entered in error does not count.
  private func errorTargets() -> Set<RecordReference> {
    let entries = records.compactMap { record, _ -> EnteredInError? in
      guard case .enteredInError(let entry) = record else { return nil }
      return entry
    }
    let undone = Set(entries.map(\.target))
    return Set(
      entries.filter {
        !undone.contains(RecordReference(kind: .enteredInError, id: $0.id.retyped()))
      }.map(\.target))
  }

  /// A grant's version is 1, and one more with each reinstatement.
  private func hasEnded(_ grant: GrantID) -> Bool {
    let version =
      1 + feed.count { $0.event.kind == .grantReinstated && $0.event.grants.contains(grant) }
    return ends.keys.contains { $0.grant == grant && $0.version >= version }
  }

  private func told(_ kind: EventKind, of grant: GrantID) -> Bool {
    feed.contains { $0.event.kind == kind && $0.event.grants.contains(grant) }
  }
}
