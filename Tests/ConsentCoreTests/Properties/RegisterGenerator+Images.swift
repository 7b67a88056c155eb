import ConsentCore

/// Images, derivatives and what is found about their identification.
extension RegisterGenerator {
  var images: [ImageRecord] {
    register.records.compactMap { record in
      if case .image(let image) = record { image } else { nil }
    }
  }

  mutating func addImage() {
    let number = images.count + 1
    let patient = random.one(of: patients)
    let study = random.number(1...2)
    var image = ImageRecord(
      recordID: id(), key: .sopInstance("1.2.\(number)"), patient: patient,
      kind: .dicomInstance, studyUID: "1.3.\(study)",
      seriesUID: "1.4.\(study).\(random.number(1...2))")
    if let source = images.randomElement(using: &random), random.chance(35) {
      makeDerivative(&image, of: source)
    } else if random.chance(15) {
      image.kind = random.chance(50) ? .photo : .scan
      image.studyUID = nil
      image.seriesUID = nil
    }
    if random.chance(70) {
      image.acquiredDay = SmallWorld.day(random.number(0...3))
    }
    image.claims = claims()
    if random.chance(12) { image.part2 = mark() }
    image.stamp = stamp()
    image.firstRecorded = image.stamp.recorded
    append(.image(image))
  }

  private mutating func makeDerivative(_ image: inout ImageRecord, of source: ImageRecord) {
    image.kind = .derivative
    image.patient = source.patient
    image.sources = [source.key]
    if random.chance(50) {
      image.studyUID = nil
      image.seriesUID = nil
    } else if random.chance(70) {
      image.studyUID = source.studyUID
      image.seriesUID = source.seriesUID
    }
    if random.chance(20), let second = images.randomElement(using: &random),
      second.key != source.key
    {
      image.sources.append(second.key)
    }
  }

  private mutating func mark() -> Part2Mark {
    Part2Mark(programUnit: random.chance(75) ? SmallWorld.unit : SmallWorld.otherUnit)
  }

  private mutating func claims() -> IdentificationClaims {
    guard random.chance(25) else { return .init() }
    return IdentificationClaims(
      identityRemoved: random.one(of: Claim.allCases),
      burnedInAnnotation: random.one(of: [.absent, .absent, .no, .yes]),
      recognizableVisualFeatures: random.one(of: [.absent, .absent, .no, .yes]))
  }

  /// A new version: another patient, mark or day.
  mutating func correctImage() {
    guard let old = images.randomElement(using: &random) else { return }
    var image = old
    image.version = (images.filter { $0.key == old.key }.map(\.version).max() ?? 0) + 1
    image.recordID = id()
    switch random.number(0...3) {
    case 0: image.patient = random.one(of: patients)
    case 1: image.part2 = image.part2 == nil ? mark() : nil
    case 2: image.acquiredDay = SmallWorld.day(random.number(0...3))
    default: image.claims = claims()
    }
    image.stamp = stamp()
    append(.image(image))
  }

  mutating func addDetermination() {
    let derivatives = images.filter { $0.kind == .derivative }
    guard let image = (random.chance(85) ? derivatives : images).randomElement(using: &random)
    else { return addInstrument() }
    let stamp = stamp()
    let determined = min(stamp.recorded, random.one(of: SmallWorld.ticks))
    let isFull = random.chance(65)
    let weak: [Bool?] = [nil, false, true]
    append(
      .determination(
        Determination(
          id: id(), image: image.key,
          method: random.one(of: DeidentificationMethod.allCases), by: "expert",
          determined: determined,
          until: random.chance(50)
            ? max(
              random.one(of: SmallWorld.ticks),
              determined.adding(microseconds: 12 * .microsecondsPerHour))
            : nil,
          identityRemoved: isFull ? true : random.one(of: weak),
          noBurnedInText: isFull ? true : random.one(of: weak),
          noRecognizableFeatures: isFull ? true : random.one(of: weak), stamp: stamp)))
  }

  mutating func addDeterminationWithdrawal() {
    let determinations = register.records.compactMap { record -> Determination? in
      if case .determination(let r) = record { r } else { nil }
    }
    guard let determination = determinations.randomElement(using: &random) else {
      return addDetermination()
    }
    append(
      .determinationWithdrawal(
        DeterminationWithdrawal(
          id: id(), determination: determination.id, note: "", stamp: stamp())))
  }
}
