import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Shows one image, the grants that reach it, and what was made from it.
  static func getImage(
    _ service: ConsentService, _ request: Consent_V1_GetImageRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_GetImageResponse> {
    let asked = try RequestReader.read { reader -> (ImageKey, KnownPosition?)? in
      let key = reader.imageKey(request.hasImage ? request.image : nil, "image", .required)
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return key.map { ($0, position) }
    }
    let (key, position) = asked
    return try await service.show(by: caller, minPosition: position) { reader, _ in
      let facts = try reader.facts(images: [key], asOf: nil)
      let standing = Standing(facts)
      guard let image = standing.image(key) else {
        throw ServiceError.notFound(kind: "image", name: key.text)
      }
      let identification = Identification(of: key, facts: facts, at: reader.now)
      var response = Consent_V1_GetImageResponse()
      response.image = Consent_V1_Image(image, identification: identification, caller: caller)
      if !identification.isDeidentified {
        response.grants = facts.grants(reaching: key, at: reader.now, caller: caller)
      }
      response.derivatives = try reader.facts(patients: [image.patient], asOf: nil)
        .derivatives(of: [key]).map(Consent_V1_ImageKey.init)
      return Shown(response, naming: [response.image.patientID], subject: ["image": key.text])
    }
  }
}

extension Facts {
  /// The grants of standing papers that reach an image, in force or not, in order of recording.
  func grants(
    reaching key: ImageKey, at: Instant, caller: Principal
  ) -> [Consent_V1_Grant] {
    let standing = Standing(self)
    return
      instruments
      .filter { standing.contains(.instrument($0)) && $0.isVisible(to: caller) }
      .sorted { ($0.stamp.position, $0.id) < ($1.stamp.position, $1.id) }
      .flatMap { paper in
        paper.grants
          .filter { affectedImages(of: $0, in: paper, at: at).contains(key) }
          .map { Consent_V1_Grant($0, of: paper, facts: self, at: at) }
      }
  }

  /// Images made, in one or more steps, from any of `keys`, in order of key.
  func derivatives(of keys: Set<ImageKey>) -> [ImageKey] {
    let standing = Standing(self)
    let current = Set(images.map(\.key)).compactMap(standing.image)
    var found = keys
    var grew = true
    while grew {
      let made = current.filter { image in
        !found.contains(image.key) && image.sources.contains(where: found.contains)
      }
      grew = !made.isEmpty
      found.formUnion(made.map(\.key))
    }
    return found.subtracting(keys).sorted()
  }
}
