import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Registers up to 1,000 images in one change; each item stands for itself.
  static func registerImages(
    _ service: ConsentService, _ request: Consent_V1_RegisterImagesRequest, by caller: Principal
  ) async throws -> Consent_V1_RegisterImagesResponse {
    let calendar = try service.calendars[caller.organization]
    let patient = try RequestReader.read { reader -> PatientName?? in
      reader.conventions(request)
      reader.requireCount(request.images.count, "images")
      return .some(reader.patient(request.hasPatient ? request.patient : nil, "patient"))
    }
    let items = request.images.enumerated().map {
      ImageItem(registering: $1, index: $0, calendar: calendar)
    }
    return try await service.record(request, by: caller) { recording in
      var registering = try RegisteringImages(
        recording: recording, items: items, patient: patient ?? nil)
      try registering.run()
      if !registering.change.events.isEmpty { try recording.writer.append(registering.change) }
      var response = Consent_V1_RegisterImagesResponse()
      response.outcomes = registering.outcomes
      return response
    }
  }
}

extension RequestReader {
  /// 1 to 1,000 items.
  mutating func requireCount(_ count: Int, _ field: StaticString) {
    if count == 0 { refuse(field, "is required: at least one") }
    if count > 1_000 { refuse(field, "holds more than 1000 elements; send fewer at a time") }
  }
}

/// The registration of many images, item by item.
struct RegisteringImages {
  private let recording: Recording
  private let items: [ImageItem]
  private let patients: ItemPatients
  private var builder: ChangeBuilder
  private let standing: Standing
  /// Registered before, in any version, entered in error or not.
  private let known: Set<ImageKey>
  /// Registered by this change.
  private var new: [ImageKey: ImageRecord] = [:]
  private var results: [Consent_V1_ImageOutcome?]
  private(set) var change = Change()

  var outcomes: [Consent_V1_ImageOutcome] { results.map { $0 ?? Consent_V1_ImageOutcome() } }

  init(recording: Recording, items: [ImageItem], patient: PatientName?) throws {
    self.recording = recording
    self.items = items
    patients = try ItemPatients(items, patient: patient, in: recording.writer)
    let images = items.compactMap(\.image)
    let facts = try recording.writer.facts(
      patients: patients.all, images: images.map(\.key) + images.flatMap(\.sources))
    known = Set(facts.images.map(\.key))
    builder = recording.builder(facts)
    standing = Standing(facts)
    results = Array(repeating: nil, count: items.count)
  }

  /// Originals first, so that a derivative may come before its sources in a request.
  mutating func run() throws {
    for item in items where item.image?.sources.isEmpty ?? true { try register(item) }
    for item in items where !(item.image?.sources.isEmpty ?? true) { try register(item) }
  }

  private mutating func register(_ item: ImageItem) throws {
    results[item.index] = try outcome(item)
  }

  private mutating func outcome(_ item: ImageItem) throws -> Consent_V1_ImageOutcome {
    if let fault = item.fault { return refused(item, .invalid, fault) }
    guard var image = item.image else { return refused(item, .invalid, nil) }
    switch patients.patient(of: item) {
    case .failure(let refusal): return refused(item, .invalid, refusal.fault)
    case .success(let patient): image.patient = patient
    }
    if let current = new[image.key] ?? standing.image(image.key) {
      return compared(item, image, with: current)
    }
    if known.contains(image.key) {
      return refused(
        item, .conflict,
        .init(field: item.content, sentence: "was entered in error; correct it instead"))
    }
    do {
      let registered = try builder.registerImage(image)
      // It may be a source of another image of this very request.
      builder.insert(registered)
      change.append(registered)
    } catch {
      return refused(item, .invalid, item.fault(error))
    }
    new[image.key] = image
    return Consent_V1_ImageOutcome(item, .registered, version: 1, in: "images")
  }

  /// The same content changes nothing.
  private func compared(
    _ item: ImageItem, _ image: ImageRecord, with known: ImageRecord
  ) -> Consent_V1_ImageOutcome {
    let stated = image.keepingMark(of: known, for: recording.caller)
    guard let field = stated.difference(from: known) else {
      return Consent_V1_ImageOutcome(
        item, .alreadyRegistered, version: known.version, in: "images")
    }
    let isShown = field != "part2" || recording.caller.limits.seesPart2
    let path = field == "patient" ? "patient" : item.content + (isShown ? "." + field : "")
    let fault = ImageItem.Fault(
      field: path, sentence: "is registered with other content; correct it instead")
    return Consent_V1_ImageOutcome(
      item, .conflict, version: known.version, fault: fault, in: "images")
  }

  private func refused(
    _ item: ImageItem, _ outcome: Consent_V1_RegistrationOutcome, _ fault: ImageItem.Fault?
  ) -> Consent_V1_ImageOutcome {
    Consent_V1_ImageOutcome(item, outcome, fault: fault, in: "images")
  }
}

extension ImageItem {
  /// What a command of the core refused, as a field of the item.
  func fault(_ refusal: CommandRefusal) -> Fault {
    switch refusal {
    case .invalid(let violations):
      let name = violations.first.map { CommandFields.imageField($0.field) } ?? ""
      let field = name == "patient" ? name : name.isEmpty ? content : content + "." + name
      return Fault(field: field, sentence: violations.first?.description ?? "cannot be registered")
    case .notAllowed(_, let description): return Fault(field: content, sentence: description)
    case .unknownRecord: return Fault(field: content, sentence: "refers to what is not registered")
    }
  }
}
