import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Lists images in the order of their keys.
  static func listImages(
    _ service: ConsentService, _ request: Consent_V1_ListImagesRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_ListImagesResponse> {
    var question = request
    question.pageSize = 0
    question.pageToken = ""
    question.clearMinPosition()
    let token = PageToken<ImageKey>.question(question)
    let asked = try RequestReader.read { $0.listImages(request, token: token) }
    return try await service.show(by: caller, minPosition: asked.minPosition) { reader, _ in
      let found = try asked.images(in: reader)
      var response = Consent_V1_ListImagesResponse()
      let page = found.images.prefix(asked.size)
      response.images = page.map { image in
        Consent_V1_Image(
          image,
          identification: Identification(of: image.key, facts: found.facts, at: reader.now),
          caller: caller)
      }
      if found.images.count > page.count, let last = page.last {
        response.nextPageToken = PageToken(place: last.key, question: token).text
      }
      return Shown(
        response, naming: response.images.map(\.patientID),
        asked: try asked.patient?.resolved(in: reader) ?? [], subject: asked.subject)
    }
  }
}

/// Which images to list.
struct AskedImages: Sendable {
  var patient: PatientName?
  var study: String?
  var series: String?
  var accession: Identifier?
  var from: Instant?
  var until: Instant?
  var size: Int
  var after: ImageKey?
  var minPosition: KnownPosition?

  var subject: AccessSubject {
    [
      "study": study, "series": series,
      // An accession number names an order of one patient.
      "by": accession.map { _ in "accession" }, "registered": AccessSubject.period(from, until),
    ]
  }

  /// The images asked for after the place of the token, in order of key.
  func images(in reader: any FactReader) throws -> (images: [ImageRecord], facts: Facts) {
    let candidates = try candidates(in: reader)
    let standing = Standing(candidates.facts)
    let images = candidates.keys.sorted()
      .filter { key in after.map { $0 < key } ?? true }
      .compactMap(standing.image)
      .filter { image in matches(image) && (candidates.holders?.contains(image.patient) ?? true) }
    return (images, candidates.facts)
  }

  private func candidates(
    in reader: any FactReader
  ) throws -> (keys: Set<ImageKey>, facts: Facts, holders: Set<PatientID>?) {
    if let series { return try held(by: try reader.images(series: series), in: reader) }
    if let study { return try held(by: try reader.images(study: study), in: reader) }
    if let patient {
      let holders = Set(try patient.resolved(in: reader))
      let facts = try reader.facts(patients: holders.sorted(), asOf: nil)
      return (Set(facts.images.map(\.key)), facts, holders)
    }
    return try everywhere(in: reader)
  }

  private func held(
    by keys: [ImageKey], in reader: any FactReader
  ) throws -> (keys: Set<ImageKey>, facts: Facts, holders: Set<PatientID>?) {
    let holders = try patient.map { Set(try $0.resolved(in: reader)) }
    return (Set(keys), try reader.facts(images: keys, asOf: nil), holders)
  }

  /// By accession number alone: there is no index of it, so each patient's images are looked at.
  private func everywhere(
    in reader: any FactReader
  ) throws -> (keys: Set<ImageKey>, facts: Facts, holders: Set<PatientID>?) {
    var keys: Set<ImageKey> = []
    var last: PatientID?
    while true {
      let patients = try reader.patients(after: last, limit: 100)
      guard let end = patients.last else { break }
      let facts = try reader.facts(patients: patients, asOf: nil)
      keys.formUnion(facts.images.filter(matches).map(\.key))
      last = end
    }
    return (keys, try reader.facts(images: keys.sorted(), asOf: nil), nil)
  }

  private func matches(_ image: ImageRecord) -> Bool {
    if let study, image.studyUID != study { return false }
    if let series, image.seriesUID != series { return false }
    if let accession, image.accession != accession { return false }
    if let from, image.firstRecorded < from { return false }
    if let until, image.firstRecorded >= until { return false }
    return true
  }
}

extension RequestReader {
  fileprivate mutating func listImages(
    _ value: Consent_V1_ListImagesRequest, token: UInt64
  ) -> AskedImages? {
    let patient = patient(value.hasPatient ? value.patient : nil, "patient")
    let study = uid(value.hasStudyInstanceUid ? value.studyInstanceUid : nil, "study_instance_uid")
    let series = uid(
      value.hasSeriesInstanceUid ? value.seriesInstanceUid : nil, "series_instance_uid")
    let accession = identifier(value.hasAccession ? value.accession : nil, "accession")
    if !value.hasPatient, !value.hasAccession, value.studyInstanceUid.isEmpty,
      value.seriesInstanceUid.isEmpty
    {
      refuse("patient", "is required, or a study, a series or an accession number")
    }
    let registered = period(value.hasRegistered ? value.registered : nil, "registered")
    let size = pageSize(value.pageSize)
    let after = place(value.pageToken, of: token, as: ImageKey.self)
    let position = minPosition(value.hasMinPosition ? value.minPosition : nil)
    return AskedImages(
      patient: patient, study: study, series: series, accession: accession, from: registered.from,
      until: registered.until, size: size, after: after, minPosition: position)
  }
}
