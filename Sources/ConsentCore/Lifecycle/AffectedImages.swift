extension Facts {
  /// The images a grant reaches among these facts, derivatives included, in order of key: of the
  /// same person, within the scope, and for a permit on present images only those.
  public func affectedImages(of grant: Grant, in paper: Instrument, at: Instant) -> [ImageKey] {
    let errors = EnteredErrors(enteredInError)
    let persons = Persons(facts: self, errors: errors, at: at)
    return Set(images.map(\.key)).sorted().filter { key in
      guard let lineage = Lineage(of: key, facts: self, errors: errors) else { return false }
      return lineage.indices.contains { index in
        let image = lineage.images[index]
        return grant.scope.holds(image) && persons.areSame(paper.patient, image.patient)
          && (!grant.presentOnly
            || lineage.isPresent(index, at: paper, wholly: grant.effect == .permit))
          && (index == 0 || !grant.withoutDerivatives)
      }
    }
  }

  func affectedImages(of grants: [(paper: Instrument, grant: Grant)], at: Instant) -> [ImageKey] {
    var keys: Set<ImageKey> = []
    for (paper, grant) in grants { keys.formUnion(affectedImages(of: grant, in: paper, at: at)) }
    return keys.sorted()
  }
}
