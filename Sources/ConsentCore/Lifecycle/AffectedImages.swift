/// The images of some facts, ready to be asked which of them a grant reaches.
struct ImageReach {
  private let lineages: [Lineage]
  private let persons: Persons

  init(_ known: IndexedFacts, at: Instant) {
    persons = Persons(facts: known.facts, errors: known.errors, at: at)
    lineages = known.imageKeys.sorted().compactMap { Lineage(of: $0, in: known) }
  }

  /// In order of key: images of the same person, within the scope, and for a permit on present
  /// images only those.
  func images(of grant: Grant, in paper: Instrument) -> [ImageKey] {
    var same: [PatientID: Bool] = [:]
    func isSame(_ patient: PatientID) -> Bool {
      if let known = same[patient] { return known }
      let isSame = persons.areSame(paper.patient, patient)
      same[patient] = isSame
      return isSame
    }
    return lineages.filter { lineage in
      lineage.indices.contains { index in
        let image = lineage.images[index]
        return grant.scope.holds(image) && isSame(image.patient)
          && (!grant.presentOnly
            || lineage.isPresent(index, at: paper, wholly: grant.effect == .permit))
          && (index == 0 || !grant.withoutDerivatives)
      }
    }
    .map(\.own.key)
  }

  func images(of grants: [(paper: Instrument, grant: Grant)]) -> [ImageKey] {
    var keys: Set<ImageKey> = []
    for (paper, grant) in grants { keys.formUnion(images(of: grant, in: paper)) }
    return keys.sorted()
  }
}

extension IndexedFacts {
  /// The images a grant reaches among these facts, derivatives included, in order of key: of the
  /// same person, within the scope, and for a permit on present images only those.
  public func affectedImages(of grant: Grant, in paper: Instrument, at: Instant) -> [ImageKey] {
    ImageReach(self, at: at).images(of: grant, in: paper)
  }
}

extension Facts {
  /// As `IndexedFacts.affectedImages`, which serves many grants better.
  public func affectedImages(of grant: Grant, in paper: Instrument, at: Instant) -> [ImageKey] {
    IndexedFacts(self).affectedImages(of: grant, in: paper, at: at)
  }
}
