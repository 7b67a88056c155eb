import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Corrects up to 1,000 images in one change, such as films under the wrong patient; each item
  /// stands for itself.
  static func correctImages(
    _ service: ConsentService, _ request: Consent_V1_CorrectImagesRequest, by caller: Principal
  ) async throws -> Consent_V1_CorrectImagesResponse {
    let calendar = try service.calendars[caller.organization]
    let note = try RequestReader.read { reader -> String? in
      reader.conventions(request)
      reader.requireCount(request.corrections.count, "corrections")
      return reader.text(request.note, "note", .required, limit: .note)
    }
    let items = request.corrections.enumerated().map {
      ImageItem(correcting: $1, index: $0, calendar: calendar)
    }
    return try await service.record(request, by: caller) { recording in
      var correcting = try CorrectingImages(recording: recording, items: items, note: note)
      let outcomes = try items.map { try correcting.outcome($0) }
      if !correcting.change.events.isEmpty { try recording.writer.append(correcting.change) }
      var response = Consent_V1_CorrectImagesResponse()
      response.outcomes = outcomes
      return response
    }
  }
}

/// The correction of many images, item by item.
struct CorrectingImages {
  private let recording: Recording
  private let note: String
  private let patients: [PatientName: [PatientID]]
  private let builder: ChangeBuilder
  private let standing: Standing
  /// The highest version of each image, entered in error or not.
  private let latest: [ImageKey: ImageRecord]
  private var corrected: Set<ImageKey> = []
  private(set) var change = Change()

  init(recording: Recording, items: [ImageItem], note: String) throws {
    self.recording = recording
    self.note = note
    var patients: [PatientName: [PatientID]] = [:]
    for name in Set(items.compactMap(\.patient)) {
      patients[name] = try name.resolved(in: recording.writer)
    }
    self.patients = patients
    let images = items.compactMap(\.image)
    let facts = try recording.writer.facts(
      patients: Set(patients.values.flatMap { $0 }).sorted(),
      images: images.map(\.key) + images.flatMap(\.sources))
    builder = recording.builder(facts)
    standing = Standing(facts)
    latest = Dictionary(facts.images.map { ($0.key, $0) }) { $0.version < $1.version ? $1 : $0 }
  }

  mutating func outcome(_ item: ImageItem) throws -> Consent_V1_ImageOutcome {
    if let fault = item.fault { return told(item, .invalid, fault) }
    guard let stated = item.image else { return told(item, .invalid) }
    guard let latest = latest[stated.key] else {
      return told(item, .unknown, .init(field: "fields.key", sentence: "register the image first"))
    }
    guard item.expectedVersion == 0 || item.expectedVersion == UInt64(clamping: latest.version)
    else {
      let sentence = "version \(latest.version) is the newest; read it and decide anew"
      return told(
        item, .conflict, .init(field: "expected_version", sentence: sentence),
        version: latest.version)
    }
    guard corrected.insert(stated.key).inserted else {
      return told(item, .invalid, .init(field: "fields.key", sentence: "is in the request twice"))
    }
    let current = standing.image(stated.key)
    var image = stated.keepingMark(of: current ?? latest, for: recording.caller)
    image.version = latest.version + 1
    image.patient = (current ?? latest).patient
    if let name = item.patient {
      guard let found = patients[name], found.count == 1, let id = found.first else {
        return told(
          item, .invalid,
          .init(field: "patient", sentence: "is not one registered patient; name it by its id"))
      }
      image.patient = id
    }
    if let current, image.difference(from: current) == nil {
      return told(item, .alreadyRegistered, version: current.version)
    }
    do {
      image.note = note
      change.append(try builder.correctImage(image))
    } catch {
      return told(item, .invalid, item.fault(error))
    }
    return told(item, .corrected, version: image.version)
  }

  private func told(
    _ item: ImageItem, _ outcome: Consent_V1_RegistrationOutcome,
    _ fault: ImageItem.Fault? = nil, version: Int = 0
  ) -> Consent_V1_ImageOutcome {
    Consent_V1_ImageOutcome(item, outcome, version: version, fault: fault, in: "corrections")
  }
}
