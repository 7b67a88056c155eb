internal import ConsentCore
internal import Postgres

// Two round trips: first which patients and images are concerned, then all their rows at once. Both
// see the transaction's one snapshot.
extension PostgresView {
  func facts(images: [ImageKey], asOf position: UInt64?) throws -> Facts {
    try facts(images: images, patients: [], asOf: position)
  }

  func facts(patients: [PatientID], asOf position: UInt64?) throws -> Facts {
    if position == nil, patients.count == 1, var known = try ahead?.facts(of: patients[0]) {
      known.position = head.position
      return known
    }
    return try facts(images: [], patients: patients, asOf: position)
  }

  func organizationFacts(asOf position: UInt64?) throws -> Facts {
    try load(Concerned(), upTo: min(position ?? head.position, head.position), all: true)
  }

  private func facts(
    images: [ImageKey], patients: [PatientID], asOf position: UInt64?
  ) throws -> Facts {
    let position = min(position ?? head.position, head.position)
    let rows = try connection.execute(
      .concerned, id, column(position), patients, images.map(\.text)
    ).rows
    var concerned = Concerned()
    for row in rows {
      let (patient, key) = try row.decode(PatientID?.self, String?.self)
      if let patient { concerned.patients.append(patient) }
      if let key { concerned.keys.append(key) }
    }
    return try load(concerned, upTo: position, all: false)
  }

  private struct Concerned {
    var patients: [PatientID] = []
    var keys: [String] = []
  }

  /// - Parameter all: every organization-wide expiry event, not only those that grants refer to.
  private func load(_ concerned: Concerned, upTo position: UInt64, all: Bool) throws -> Facts {
    let limit = try column(position)
    var slots: [PostgresPipeline.Slot] = []
    let results = try connection.pipeline { pipeline in
      slots.append(try pipeline.execute(.holdsPart2, id, limit))
      slots.append(
        try pipeline.execute(.papers, id, limit, concerned.patients, concerned.keys, all))
      guard !concerned.patients.isEmpty || !concerned.keys.isEmpty else { return }
      slots.append(try pipeline.execute(.grants, id, limit, concerned.patients))
      slots.append(try pipeline.execute(.patients, id, limit, concerned.patients))
      slots.append(try pipeline.execute(.merges, id, limit, concerned.patients))
      slots.append(try pipeline.execute(.sources, id, limit, concerned.keys))
      slots.append(try pipeline.execute(.images, id, limit, concerned.keys))
    }
    return try Facts(results, slots, position: position)
  }
}

extension Facts {
  /// - Parameter slots: of what part 2 holds, papers, and then, if anybody is concerned, grants,
  ///   patients, merges, sources and images.
  init(
    _ results: PostgresPipelineResults, _ slots: [PostgresPipeline.Slot], position: UInt64
  ) throws {
    var loader = FactLoader(position: position)
    loader.facts.organizationHoldsPart2 = try results.result(slots[0]).single().get(0)
    if slots.count > 2 {
      try loader.addGrants(results.result(slots[2]))
      try loader.addPatients(results.result(slots[3]))
      try loader.addMerges(results.result(slots[4]))
      try loader.addSources(results.result(slots[5]))
      try loader.addImages(results.result(slots[6]))
    }
    try loader.addPapers(results.result(slots[1]))
    self = loader.facts
  }
}
