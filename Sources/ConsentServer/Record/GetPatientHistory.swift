import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf

extension ConsentService {
  /// Lists what is recorded about a patient, and about the registrations merged with it, in the
  /// order of recording. Part 2 consents are left out for a caller without that right.
  static func getPatientHistory(
    _ service: ConsentService, _ request: Consent_V1_GetPatientHistoryRequest,
    by caller: Principal
  ) async throws -> Shown<Consent_V1_GetPatientHistoryResponse> {
    var question = request
    question.pageSize = 0
    question.pageToken = ""
    question.clearMinPosition()
    let token = PageToken<HistoryPlace>.question(question)
    let asked = try RequestReader.read { reader -> AskedHistory? in
      let name = reader.patient(request.hasPatient ? request.patient : nil, "patient", .required)
      let size = reader.pageSize(request.pageSize)
      let after = reader.place(request.pageToken, of: token, as: HistoryPlace.self)
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return name.map { AskedHistory(name: $0, size: size, after: after, minPosition: position) }
    }
    return try await service.show(by: caller, minPosition: asked.minPosition) { reader, _ in
      let id = try asked.name.one(in: reader)
      let facts = try reader.facts(patients: [id], asOf: nil)
      let standing = Standing(facts)
      guard let patient = standing.patient(id) else {
        throw ServiceError.notFound(kind: "patient", name: "")
      }
      var response = Consent_V1_GetPatientHistoryResponse()
      response.patient = Consent_V1_Patient(
        patient, identity: try reader.identity(of: id), standing: standing)
      let members = standing.members(of: id)
      let entries = facts.history(of: members, seesPart2: caller.limits.seesPart2)
        .filter { entry in asked.after.map { $0 < HistoryPlace(entry) } ?? true }
      let page = entries.prefix(asked.size)
      response.entries = try page.map { try reader.entry($0, standing: standing) }
      if entries.count > page.count, let last = page.last {
        response.nextPageToken = PageToken(place: HistoryPlace(last), question: token).text
      }
      return Shown(response, of: members)
    }
  }
}

private struct AskedHistory: Sendable {
  var name: PatientName
  var size: Int
  var after: HistoryPlace?
  var minPosition: KnownPosition?
}

/// Where a history goes on: records of one position are in the order of their ids.
private struct HistoryPlace: Codable, Comparable, Sendable {
  var position: UInt64
  var record: RecordID

  init(_ record: Record) {
    position = record.stamp.position
    self.record = record.id
  }

  static func < (a: Self, b: Self) -> Bool { (a.position, a.record) < (b.position, b.record) }
}

extension Facts {
  /// Everything recorded of these registrations and of their images, the newest last.
  fileprivate func history(of members: Set<PatientID>, seesPart2: Bool) -> [Record] {
    let papers = Set(
      instruments
        .filter { members.contains($0.patient) && (seesPart2 || $0.kind != .part2Consent) }
        .map(\.id))
    let keys = Set(images.filter { members.contains($0.patient) }.map(\.key))
    let events = Set(
      expiryEvents.filter { $0.patient.map(members.contains) ?? false }.map(\.id))
    let determined = Set(determinations.filter { keys.contains($0.image) }.map(\.id))
    var told = Set<RecordReference>()
    let direct = records.filter { record in
      switch record {
      case .patient(let r): members.contains(r.id)
      case .merge(let r): members.contains(r.survivor) || members.contains(r.merged)
      case .unmerge(let r):
        merges.contains {
          $0.id == r.merge && (members.contains($0.survivor) || members.contains($0.merged))
        }
      case .image(let r): members.contains(r.patient)
      case .instrument(let r): papers.contains(r.id)
      case .revocation(let r): members.contains(r.patient)
      case .falseInformation(let r): papers.contains(r.instrument)
      case .authorityEvidence(let r): papers.contains(r.instrument)
      case .restrictionEnd(let r): papers.contains(r.instrument)
      case .expiryEvent(let r): events.contains(r.id)
      case .expiryEventResolution(let r): events.contains(r.event)
      case .determination(let r): determined.contains(r.id)
      case .determinationWithdrawal(let r): determined.contains(r.determination)
      case .form, .policy, .enteredInError: false
      }
    }
    told.formUnion(direct.map(\.reference))
    // A statement of error belongs where its target does; it may itself be a target.
    var all = direct
    var waiting = enteredInError
    var grew = true
    while grew {
      let found = waiting.filter { told.contains($0.target) }
      grew = !found.isEmpty
      waiting.removeAll { told.contains($0.target) }
      all += found.map(Record.enteredInError)
      told.formUnion(found.map { Record.enteredInError($0).reference })
    }
    return all.sorted { HistoryPlace($0) < HistoryPlace($1) }
  }
}

extension FactReader {
  fileprivate func entry(
    _ record: Record, standing: Standing
  ) throws -> Consent_V1_HistoryEntry {
    var entry = Consent_V1_HistoryEntry()
    entry.record = Consent_V1_RecordReference(
      record.reference, version: record.version, image: record.imageKey)
    if let head = try head(at: record.stamp.position) {
      entry.position = Consent_V1_FeedPosition(head)
    }
    entry.recordedAt = Google_Protobuf_Timestamp(record.stamp.recorded)
    entry.recordedBy = Consent_V1_Identifier(recorder: record.stamp.by)
    entry.summary = record.summary
    entry.enteredInError = !standing.contains(record)
    return entry
  }
}
