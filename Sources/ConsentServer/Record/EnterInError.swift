import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// States that a record of any kind was entered in error and never valid. Answers that rested on
  /// it stay as given; they are counted after the commit, below the statement's position.
  static func enterInError(
    _ service: ConsentService, _ request: Consent_V1_EnterInErrorRequest, by caller: Principal
  ) async throws -> Consent_V1_EnterInErrorResponse {
    let asked = try RequestReader.read { reader -> (RecordName, String)? in
      reader.conventions(request)
      let record = reader.record(request.hasRecord ? request.record : nil, "record")
      let note = reader.text(request.note, "note", .required, limit: .note)
      guard let record, let note else { return nil }
      return (record, note)
    }
    let (name, note) = asked
    let id = ID<EnteredInError>.random()
    let onEvent = try await service.store.read(caller.organization) { reader in
      try reader.patientsConcerned(by: name)
    }
    let response = try await service.record(request, by: caller) { recording in
      let facts = try recording.writer.facts(of: name, concerning: onEvent)
      guard let target = facts.record(name) else { throw name.notFound }
      let error = EnteredInError(id: id, target: target.reference, note: note)
      let change = try CommandFields.named { try recording.builder(facts).enterInError(error) }
      try recording.writer.append(change)
      var response = Consent_V1_EnterInErrorResponse()
      response.enteredInErrorID = id.description
      response.reinstatedGrantIds = change.events
        .filter { $0.kind == .grantReinstated }.flatMap(\.grants).map(\.description)
      return response
    }
    return try await service.store.read(caller.organization) { reader in
      var counted = response
      let facts = try reader.facts(of: name, concerning: onEvent)
      guard let id = ID<EnteredInError>(response.enteredInErrorID),
        let error = facts.enteredInError.first(where: { $0.id == id }),
        let target = facts.find(error.target)
      else { return counted }
      counted.affectedDecisionCount = UInt64(
        try reader.decisions(restingOn: target, below: error.stamp.position, facts: facts))
      return counted
    }
  }
}

extension RecordName {
  /// The reference it is looked up by; `nil` for what is named by key or version.
  fileprivate var reference: RecordReference? {
    if case .record(let reference) = self { reference } else { nil }
  }

  fileprivate var notFound: ServiceError {
    switch self {
    case .record(let reference):
      .notFound(kind: reference.kind.name, name: reference.id.description)
    case .image(let key, _): .notFound(kind: RecordKind.image.name, name: key.text)
    case .policy(let version): .notFound(kind: RecordKind.policy.name, name: String(version))
    }
  }
}

extension FactReader {
  /// Patients whose grants turn with an expiry event, or with its resolution, of the organization.
  fileprivate func patientsConcerned(by name: RecordName) throws -> GrantHolders? {
    guard let reference = name.reference else { return nil }
    switch reference.kind {
    case .expiryEvent: return try grantHolders(on: reference.id.retyped())
    case .expiryEventResolution:
      let facts = try organizationFacts(asOf: nil)
      guard case .expiryEventResolution(let resolution)? = facts.find(reference) else { return nil }
      return try grantHolders(on: resolution.event)
    default: return nil
    }
  }

  /// The facts that decide what a statement of error does.
  fileprivate func facts(of name: RecordName, concerning holders: GrantHolders?) throws -> Facts {
    switch name {
    case .image(let key, _): return try facts(images: [key], asOf: nil)
    case .policy: return try organizationFacts(asOf: nil)
    case .record(let reference):
      // A patient may be named by its own id besides that of a version.
      if reference.kind == .patient, try patient(of: reference) == nil {
        return try facts(patients: [reference.id.retyped()], asOf: nil)
      }
      let own = try facts(of: reference)
      guard let holders else { return own }
      return own.joined(
        with: try facts(patients: try holders.patients(now: self), asOf: nil))
    }
  }

  /// How many logged answers a record took part in.
  fileprivate func decisions(
    restingOn target: Record, below position: UInt64, facts: Facts
  ) throws -> Int {
    let reference = target.reference
    let isImage = target.imageKey
    var count = 0
    var filters: [DecisionFilter] = []
    if let isImage {
      filters.append(DecisionFilter(positionUntil: position, image: isImage))
    } else {
      let patients = Set(facts.patients.map(\.id))
      filters =
        patients.isEmpty
        ? [DecisionFilter(positionUntil: position)]
        : patients.sorted().map { DecisionFilter(positionUntil: position, patient: $0) }
    }
    for filter in filters {
      count += try decisions(filter, limit: 100_000).count { logged in
        let decision = logged.entry.decision
        if isImage != nil { return decision.position >= target.stamp.position }
        if case .policy(let policy) = target { return decision.policyVersion == policy.version }
        return decision.records.contains { $0.record == reference }
      }
    }
    return count
  }
}
