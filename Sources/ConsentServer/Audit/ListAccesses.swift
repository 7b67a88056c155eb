import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import ProofLog
import SwiftProtobuf

extension ConsentService {
  /// Lists who read records of patients, the oldest first.
  ///
  /// It is itself an access, of the patient asked for. It does not name the patients of the accesses
  /// it lists: what it tells of them is who looked, and a list of lists would grow without end.
  static func listAccesses(
    _ service: ConsentService, _ request: Consent_V1_ListAccessesRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_ListAccessesResponse> {
    let asked = try RequestReader.read { $0.accesses(request) }
    let end = asked.place?.until ?? service.clock.now().adding(microseconds: 1)
    let (patient, head) = try await service.store.read(caller.organization) { reader in
      try asked.minPosition?.require(in: reader)
      return (try asked.patient?.one(in: reader), reader.head)
    }
    var filter = asked.filter
    filter.patient = patient
    filter.until = min(filter.until ?? end, end)
    let found = try await service.store.accesses(
      of: caller.organization, filter, after: asked.place?.id, limit: asked.pageSize + 1)
    let page = AskedAccesses.page(found, size: asked.pageSize)
    var response = Consent_V1_ListAccessesResponse()
    response.accesses = page.map(Consent_V1_LoggedAccess.init)
    if page.count < found.count, let last = page.last {
      let next = AskedAccesses.Place(id: last.id, until: end)
      response.nextPageToken = PageToken(place: next, question: asked.question).text
    }
    response.position = Consent_V1_FeedPosition(head)
    return Shown(response, of: patient.map { [$0] } ?? [], subject: asked.subject)
  }
}

struct AskedAccesses: Sendable {
  /// Patients named in an answer at most, unless one access names more: some hundred KB.
  static let patientsInAnswer = 10_000

  /// Where a list goes on.
  struct Place: Codable, Sendable {
    /// The last access of the page before.
    var id: DecisionID
    /// When the list began. What was logged since is not in it: each page is an access itself, and a
    /// list that grew with them would have no end.
    var until: Instant
  }

  /// Its patient is looked up later.
  var filter: AccessFilter
  var patient: PatientName?
  var pageSize: Int
  var place: Place?
  var question: UInt64
  var minPosition: KnownPosition?

  var subject: AccessSubject {
    ["caller": filter.caller, "period": AccessSubject.period(filter.from, filter.until)]
  }

  /// As many of those found as an answer holds: one at least.
  static func page(_ found: [LoggedAccess], size: Int) -> ArraySlice<LoggedAccess> {
    var patients = 0
    let fitting = found.prefix(size).prefix { logged in
      defer { patients += logged.access.patients.count }
      return patients == 0 || patients + logged.access.patients.count <= patientsInAnswer
    }
    return fitting
  }
}

extension RequestReader {
  fileprivate mutating func accesses(
    _ value: Consent_V1_ListAccessesRequest
  ) -> AskedAccesses? {
    let period = period(value.hasPeriod ? value.period : nil, "period")
    let patient = patient(value.hasPatient ? value.patient : nil, "patient")
    let caller = text(value.caller, "caller", .optional)
    let size = pageSize(value.pageSize)
    var asked = value
    asked.pageSize = 0
    asked.pageToken = ""
    asked.clearMinPosition()
    let question = PageToken<AskedAccesses.Place>.question(asked)
    return AskedAccesses(
      filter: AccessFilter(
        patient: nil, caller: caller, from: period.from, until: period.until),
      patient: patient, pageSize: size,
      place: place(value.pageToken, of: question, as: AskedAccesses.Place.self), question: question,
      minPosition: minPosition(value.hasMinPosition ? value.minPosition : nil))
  }
}

extension Consent_V1_LoggedAccess {
  init(_ logged: LoggedAccess) {
    self.init()
    let access = logged.access
    accessID = logged.id.text
    accessedAt = Google_Protobuf_Timestamp(access.at)
    caller = access.caller
    method = access.method
    patientIds = access.patients.map(\.description)
    subject = access.subject ?? ""
    receipt = Consent_V1_LogReceipt(logged.id, logged.receipt)
    position = Consent_V1_FeedPosition(logged.head)
  }
}
