import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf

extension ConsentService {
  /// Lists the images for which at least one check of this use and audience would permit. Every
  /// page is taken at the position and instant of the first. Not a permission to use any of them.
  static func listPermittedImages(
    _ service: ConsentService, _ request: Consent_V1_ListPermittedImagesRequest,
    by caller: Principal
  ) async throws -> Shown<Consent_V1_ListPermittedImagesResponse> {
    let asked = try RequestReader.read { $0.permittedImages(request) }
    guard caller.limits.uses.contains(asked.use), caller.limits.audiences.contains(asked.audience)
    else {
      throw ServiceError.failedPrecondition(
        reason: Reason.assertionNotAllowed.name, Reason.assertionNotAllowed.sentence)
    }
    return try await service.store.read(caller.organization) { try asked.page(in: $0) }
  }
}

/// A reverse look-up as asked for.
struct AskedPermittedImages: Sendable {
  /// Where a list goes on.
  struct Place: Codable, Sendable {
    var position: UInt64
    var at: Instant
    var after: ImageKey
  }

  var use: Use
  var audience: Audience
  var patient: PatientName?
  var study: String?
  var modalities: Set<String>
  var bodyPart: String?
  var pageSize: Int
  var place: Place?
  /// Binds the token to the question.
  var question: UInt64
  var minPosition: KnownPosition?

  func page(in reader: any FactReader) throws -> Shown<Consent_V1_ListPermittedImagesResponse> {
    try minPosition?.require(in: reader)
    let position = place?.position ?? reader.head.position
    let at = place?.at ?? reader.now
    guard let head = try reader.head(at: position) else {
      throw ServiceError.unavailable("position \(position) has not been reached here")
    }
    var response = Consent_V1_ListPermittedImagesResponse()
    response.position = Consent_V1_FeedPosition(head)
    var shown = Set(try patient?.resolved(in: reader) ?? [])
    var candidates = try self.candidates(in: reader, asOf: position)[...]
    // Probes cost more than keys, so facts are gathered for a stretch of images at a time.
    while !candidates.isEmpty {
      let stretch = Array(candidates.prefix(200))
      candidates = candidates.dropFirst(stretch.count)
      let facts = try reader.facts(images: stretch, asOf: position)
      for image in stretch {
        let coverage = probe(image: image, use: use, audience: audience, facts: facts, at: at)
        guard coverage.coverageClass.isCovered else { continue }
        if response.images.count == pageSize, let last = response.images.last {
          response.nextPageToken = token(after: last, position: position, at: at)
          return Shown(response, of: shown, subject: subject)
        }
        // A de-identified image is nobody's.
        if coverage.coverageClass != .deidentified, let holder = facts.current(image)?.patient {
          shown.insert(holder)
        }
        response.images.append(Consent_V1_PermittedImage(image, coverage))
      }
    }
    return Shown(response, of: shown, subject: subject)
  }

  private var subject: AccessSubject {
    ["use": use.name, "audience": audience.name, "study": study]
  }

  private func token(
    after last: Consent_V1_PermittedImage, position: UInt64, at: Instant
  ) -> String {
    var reader = RequestReader()
    guard let key = reader.imageKey(last.image, "image") else { return "" }
    return PageToken(place: Place(position: position, at: at, after: key), question: question).text
  }

  /// The images that the filters select, as known at the position, in the order of their keys.
  private func candidates(in reader: any FactReader, asOf position: UInt64) throws -> [ImageKey] {
    var keys: Set<ImageKey> = []
    func take(_ facts: Facts, where isMeant: (ImageRecord) -> Bool) {
      for key in Set(facts.images.map(\.key)) {
        guard let image = facts.current(key), isMeant(image), matches(image) else { continue }
        keys.insert(key)
      }
    }
    if let patient {
      let patients = try patient.resolved(in: reader)
      take(try reader.facts(patients: patients, asOf: position)) { patients.contains($0.patient) }
    } else if let study {
      let images = try reader.images(study: study)
      take(try reader.facts(images: images, asOf: position)) { _ in true }
    } else {
      var last: PatientID?
      while true {
        let patients = try reader.patients(after: last, limit: 100)
        guard let end = patients.last else { break }
        take(try reader.facts(patients: patients, asOf: position)) { patients.contains($0.patient) }
        last = end
      }
    }
    let after = place?.after
    return keys.filter { key in after.map { $0 < key } ?? true }.sorted()
  }

  private func matches(_ image: ImageRecord) -> Bool {
    if let study, image.studyUID != study { return false }
    if !modalities.isEmpty, !modalities.contains(image.modality ?? "") { return false }
    if let bodyPart, image.bodyPart != bodyPart { return false }
    return true
  }
}

extension Consent_V1_PermittedImage {
  init(_ key: ImageKey, _ coverage: Coverage) {
    self.init()
    image = Consent_V1_ImageKey(key)
    reason = coverage.permittingReason.proto()
    namedRecipientsOnly = coverage.coverageClass == .coveredForNamedRecipients
    if let until = coverage.expiresAt { validUntil = Google_Protobuf_Timestamp(until) }
  }
}

extension Coverage {
  /// The reason that such a check would answer, for a covered image.
  var permittingReason: Reason {
    switch coverageClass {
    case .notNeeded(let reason): reason
    case .deidentified: .notPHIDeidentified
    default: records.first { $0.part == .basis }?.reason ?? .authorizationValid
    }
  }
}

extension RequestReader {
  mutating func permittedImages(
    _ value: Consent_V1_ListPermittedImagesRequest
  ) -> AskedPermittedImages? {
    let use = word(value.use, "use", .required, reason: Reason.purposeRequired.name, as: Use.self)
    let audience = word(
      value.audience, "audience", .required, reason: Reason.audienceRequired.name,
      as: Audience.self)
    if value.hasRecipient {
      refuse("recipient", "cannot be asked for by this version; leave it out and check each use")
    }
    if value.channel != .unspecified {
      refuse("channel", "cannot be asked for by this version; leave it out and check each use")
    }
    let patient = patient(value.hasPatient ? value.patient : nil, "patient")
    let study = uid(value.hasStudyInstanceUid ? value.studyInstanceUid : nil, "study_instance_uid")
    let modalities = each(value.modalities, "modalities", atMost: 64) { reader, modality in
      modality.isEmpty ? nil : modality
    }
    let bodyPart = text(value.hasBodyPart ? value.bodyPart : nil, "body_part")
    let size = pageSize(value.pageSize)
    var asked = value
    asked.pageSize = 0
    asked.pageToken = ""
    asked.clearMinPosition()
    let question = PageToken<AskedPermittedImages.Place>.question(asked)
    let place = place(value.pageToken, of: question, as: AskedPermittedImages.Place.self)
    let position = minPosition(value.hasMinPosition ? value.minPosition : nil)
    guard let use, let audience else { return nil }
    return AskedPermittedImages(
      use: use, audience: audience, patient: patient, study: study, modalities: Set(modalities),
      bodyPart: bodyPart, pageSize: size, place: place, question: question, minPosition: position)
  }
}
