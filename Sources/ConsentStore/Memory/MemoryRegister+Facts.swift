internal import ConsentCore

extension MemoryRegister {
  /// Everything a decision about the images and patients may see, as known at `position`.
  func facts(images: [ImageKey], patients: [PatientID], asOf position: UInt64?) -> Facts {
    let position = min(position ?? head.position, head.position)
    var members = mergeClosure(of: Set(patients), upTo: position)
    let owned = members.flatMap { imagesByPatient[$0] ?? [] }.filter { key in
      versions(of: key, upTo: position).contains { members.contains($0.patient) }
    }
    let keys = sourceClosure(of: Set(images).union(owned), upTo: position)
    for key in keys { members.formUnion(versions(of: key, upTo: position).map(\.patient)) }
    members = mergeClosure(of: members, upTo: position)

    var places = Set(organizationPlaces)
    for member in members { places.formUnion(placesByPatient[member] ?? []) }
    for key in keys { places.formUnion(placesByImage[key] ?? []) }
    return collect(places, upTo: position) { $0 }
  }

  func organizationFacts(asOf position: UInt64?) -> Facts {
    let position = min(position ?? head.position, head.position)
    let all = Set(
      organizationPlaces.compactMap { place -> ID<ExpiryEvent>? in
        guard case .expiryEvent(let event) = records[place].record else { return nil }
        return event.id
      })
    return collect(Set(organizationPlaces), upTo: position) { _ in all }
  }

  /// - Parameter wanted: from the expiry events that included grants refer to, those to include
  ///   besides the included patients' own.
  private func collect(
    _ places: Set<Int>, upTo position: UInt64,
    wanted: (Set<ID<ExpiryEvent>>) -> Set<ID<ExpiryEvent>>
  ) -> Facts {
    var facts = Facts()
    var referred: Set<ID<ExpiryEvent>> = []
    let included = places.sorted().map { records[$0] }.filter {
      $0.record.stamp.position <= position
    }
    for case (.instrument(let instrument), _) in included {
      for case .event(let id) in instrument.grants.map(\.expiry) { referred.insert(id) }
    }
    let events = wanted(referred)
    for (record, subject) in included {
      // Organization-wide events come with those who refer to them; see below.
      switch record {
      case .expiryEvent, .expiryEventResolution: if subject == .organization { continue }
      default: break
      }
      facts.insert(record)
    }
    let own = Set(facts.expiryEvents.map(\.id))
    for place in expiryPlaces {
      let record = records[place].record
      guard record.stamp.position <= position else { continue }
      switch record {
      case .expiryEvent(let r) where events.contains(r.id) && !own.contains(r.id):
        facts.insert(record)
      case .expiryEventResolution(let r) where events.contains(r.event) && !own.contains(r.event):
        facts.insert(record)
      default: break
      }
    }
    facts.position = position
    facts.organizationHoldsPart2 = firstPart2.map { $0 <= position } ?? false
    return facts
  }

  /// All patients joined by merges, undone ones included: records made while merged concern both.
  private func mergeClosure(of patients: Set<PatientID>, upTo position: UInt64) -> Set<PatientID> {
    var closure = patients
    var queue = Array(patients)
    while let patient = queue.popLast() {
      for place in placesByPatient[patient] ?? [] {
        guard case .merge(let merge) = records[place].record, merge.stamp.position <= position
        else { continue }
        for member in [merge.survivor, merge.merged] where closure.insert(member).inserted {
          queue.append(member)
        }
      }
    }
    return closure
  }

  private func sourceClosure(of keys: Set<ImageKey>, upTo position: UInt64) -> Set<ImageKey> {
    var closure = keys
    var queue = Array(keys)
    while let key = queue.popLast() {
      for source in versions(of: key, upTo: position).flatMap(\.sources)
      where closure.insert(source).inserted {
        queue.append(source)
      }
    }
    return closure
  }
}
