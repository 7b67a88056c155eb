internal import ConsentCore

extension MemoryRegister {
  /// Appends a change whole, or throws and leaves the register as it was.
  mutating func append(_ change: Change, known: Instant, by: String) throws -> [UInt64] {
    var draft = self
    let positions = try draft.appendEvents(change.events, known: known, by: by)
    for (record, event) in change.records {
      guard positions.indices.contains(event) else {
        throw InvalidChange("a record names an event that is not in its change")
      }
      let stamp = Stamp(position: positions[event], recorded: known, by: by)
      try draft.insert(record, stamp: stamp)
    }
    for end in change.ends {
      guard draft.instrumentPlaceByGrant[end.grant] != nil else {
        throw InvalidChange("a grant that is not recorded cannot end")
      }
      let key = EndKey(grant: end.grant, version: end.version)
      guard draft.ends.updateValue(end, forKey: key) == nil else {
        throw StoreError.grantEnded(end.grant)
      }
    }
    self = draft
    return positions
  }

  private mutating func appendEvents(
    _ events: [FeedEvent], known: Instant, by: String
  ) throws -> [UInt64] {
    guard !events.isEmpty else { throw InvalidChange("a change has at least one event") }
    let (rows, newHead) = FeedChain.rows(
      events, after: head, organization: settings.id, known: known, by: by)
    for row in rows {
      guard eventPositions.updateValue(row.position, forKey: row.eventID) == nil else {
        throw StoreError.duplicateEvent(kind: row.event.kind, subject: row.event.subject)
      }
    }
    feed += rows
    head = newHead
    return rows.map(\.position)
  }

  private mutating func insert(_ unstamped: Record, stamp: Stamp) throws {
    var record = unstamped
    record.stamp = stamp
    if case .image(var image) = record {
      image.firstRecorded =
        versions(of: image.key, upTo: head.position).first?.firstRecorded ?? stamp.recorded
      record = .image(image)
    }
    let subject = try RecordSubject.of(record) { target in
      placeByReference[target].map { records[$0].subject }
    }
    try claimKeys(of: record, place: records.count)
    index(record, subject: subject, place: records.count)
    records.append((record, subject))
  }

  private mutating func claimKeys(of record: Record, place: Int) throws {
    guard placeByReference.updateValue(place, forKey: record.reference) == nil else {
      throw InvalidChange("the record is recorded already")
    }
    let version: VersionKey? =
      switch record {
      case .patient(let r): .patient(r.id, r.version)
      case .image(let r): .image(r.key, r.version)
      case .policy(let r): .policy(r.version)
      case .form(let r): .form(r.reference)
      default: nil
      }
    if let version, !versionKeys.insert(version).inserted {
      throw InvalidChange("the version is recorded already")
    }
    if case .instrument(let instrument) = record {
      for grant in instrument.grants {
        guard instrumentPlaceByGrant.updateValue(place, forKey: grant.id) == nil else {
          throw InvalidChange("the grant is recorded already")
        }
      }
    }
    if case .revocation(let revocation) = record {
      guard revocation.grants.allSatisfy({ instrumentPlaceByGrant[$0] != nil }) else {
        throw InvalidChange("a record refers to one that is not recorded")
      }
    }
  }

  private mutating func index(_ record: Record, subject: RecordSubject, place: Int) {
    switch subject {
    case .organization: organizationPlaces.append(place)
    case .patient(let patient): placesByPatient[patient, default: []].append(place)
    case .patients(let first, let second):
      placesByPatient[first, default: []].append(place)
      if second != first { placesByPatient[second, default: []].append(place) }
    case .image(let key): placesByImage[key, default: []].append(place)
    }
    switch record {
    case .image(let image):
      imagesByPatient[image.patient, default: []].insert(image.key)
      if image.part2 != nil, firstPart2 == nil { firstPart2 = image.stamp.position }
    case .expiryEvent, .expiryEventResolution: expiryPlaces.append(place)
    default: break
    }
  }
}
