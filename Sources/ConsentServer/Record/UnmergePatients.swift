import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Undoes a merge, or assigns further records after one. Records made while merged that nobody
  /// has assigned restrict both patients and permit neither.
  static func unmergePatients(
    _ service: ConsentService, _ request: Consent_V1_UnmergePatientsRequest, by caller: Principal
  ) async throws -> Consent_V1_UnmergePatientsResponse {
    let asked = try RequestReader.read {
      reader -> (ID<PatientMerge>, [AskedAssignment], String?)? in
      reader.conventions(request)
      let merge = reader.id(request.mergeID, "merge_id", of: PatientMerge.self)
      let assignments = reader.each(request.assignments, "assignments", atMost: 10_000) {
        reader, value -> AskedAssignment? in
        let record = reader.record(value.hasRecord ? value.record : nil, "record")
        let patient = reader.id(value.patientID, "patient_id", of: Patient.self)
        guard let record, let patient else { return nil }
        return AskedAssignment(record: record, patient: patient)
      }
      let note = reader.text(request.hasNote ? request.note : nil, "note", limit: .note)
      return merge.map { ($0, assignments, note) }
    }
    let id = ID<PatientUnmerge>.random()
    return try await service.record(request, by: caller) { recording in
      let (mergeID, assignments, note) = asked
      let reference = RecordReference(kind: .merge, id: mergeID.retyped())
      let facts = try recording.writer.facts(of: reference)
      let resolved = try assignments.enumerated().map { index, asked in
        guard let record = facts.record(asked.record) else {
          throw ServiceError.invalid(
            "assignments[\(index)].record", "is no record of the merged patients")
        }
        return PatientUnmerge.Assignment(record: record.id, patient: asked.patient)
      }
      let unmerge = PatientUnmerge(
        id: id, merge: mergeID, assignments: resolved, note: note)
      let change = try CommandFields.named {
        try recording.builder(facts).unmergePatients(unmerge)
      }
      try recording.writer.append(change)
      var response = Consent_V1_UnmergePatientsResponse()
      let after = try recording.writer.facts(of: reference)
      response.unassigned = after.unassigned(of: mergeID).map { record in
        Consent_V1_RecordReference(record.reference, image: record.imageKey)
      }
      return response
    }
  }
}

private struct AskedAssignment: Sendable {
  var record: RecordName
  var patient: PatientID
}

extension Facts {
  /// The record that a request names; of an image or patient the named version, or the newest.
  func record(_ name: RecordName) -> Record? {
    switch name {
    case .image(let key, let version):
      images
        .filter { $0.key == key && (version == 0 || $0.version == version) }
        .max { $0.version < $1.version }.map(Record.image)
    case .policy(let version):
      policies
        .filter { version == 0 || $0.version == version }
        .max { $0.version < $1.version }.map(Record.policy)
    case .record(let reference): find(reference) ?? newestPatient(reference)
    }
  }

  /// Patients are named by their own id too, which all their versions share.
  private func newestPatient(_ reference: RecordReference) -> Record? {
    guard reference.kind == .patient else { return nil }
    return
      patients
      .filter { $0.id == reference.id.retyped() }
      .max { $0.version < $1.version }.map(Record.patient)
  }

  /// Records made while merged that are assigned to nobody, in order of recording. Images that were
  /// a member's before stay so, however often they were corrected meanwhile.
  func unassigned(of mergeID: ID<PatientMerge>) -> [Record] {
    let standing = Standing(self)
    let unmerges = unmerges.filter { $0.merge == mergeID && standing.contains(Record.unmerge($0)) }
    guard let merge = merges.first(where: { $0.id == mergeID }),
      let ended = unmerges.map(\.stamp.position).min()
    else { return [] }
    let assigned = Set(unmerges.flatMap(\.assignments).map(\.record))
    let joint = merge.stamp.position..<ended
    return records.filter { record in
      guard joint.contains(record.stamp.position), record.stamp.position != joint.lowerBound,
        !assigned.contains(record.id), standing.contains(record)
      else { return false }
      switch record {
      case .instrument: return true
      case .image(let image):
        return !images.contains {
          $0.key == image.key && $0.patient == image.patient
            && $0.stamp.position < image.stamp.position
        }
      default: return false
      }
    }
    .sorted { $0.stamp.position < $1.stamp.position }
  }
}

extension Record {
  /// The image that an image record or a determination is about.
  var imageKey: ImageKey? {
    switch self {
    case .image(let image): image.key
    default: nil
    }
  }
}
