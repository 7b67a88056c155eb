internal import ConsentCore
internal import Postgres

extension PostgresView {
  func append(_ change: Change) throws -> [UInt64] {
    guard !change.events.isEmpty else { throw InvalidChange("a change has at least one event") }
    let (rows, newHead) = FeedChain.rows(
      change.events, after: head, organization: id, known: now, by: caller)
    guard let pending else { throw InvalidChange("a read appends nothing") }
    if pending.looksFirst { try requireNew(rows, ends: change.ends) }

    var tables = RecordRows(organization: id)
    try add(rows, to: &tables)
    try add(change.records, positions: rows.map(\.position), to: &tables)
    let recorded = now
    for end in change.ends {
      let told = rows.first { $0.event.kind == end.kind && $0.event.grants.contains(end.grant) }
      let position = try column(told?.position ?? newHead.position)
      tables.add(.grantEnd) {
        $0.add(
          .id(end.grant), .number(end.version), .code(end.kind), .instant(end.ended),
          .int8(position), .instant(recorded))
      }
    }
    hasWritten = true
    ahead?.forget(what: change)
    try pending.add(tables, due: DueChange(change))
    head = newHead
    return rows.map(\.position)
  }

  /// Found before anything is inserted, so that the error is precise and a body may go on after it.
  private func requireNew(_ rows: [FeedRow], ends: [GrantEnd]) throws {
    var known = Set(
      try connection.execute(.eventsKnown, id, rows.map(\.eventID)).rows.map {
        try $0.get(0, as: ID<FeedEvent>.self)
      })
    for row in rows where !known.insert(row.eventID).inserted {
      throw StoreError.duplicateEvent(kind: row.event.kind, subject: row.event.subject)
    }
    guard !ends.isEmpty else { return }
    var ended = Set(
      try grantEnds(of: ends.map(\.grant)).map { [$0.grant.description, "\($0.version)"] })
    for end in ends where !ended.insert([end.grant.description, "\(end.version)"]).inserted {
      throw StoreError.grantEnded(end.grant)
    }
  }

  private func add(_ rows: [FeedRow], to tables: inout RecordRows) throws {
    var factPosition = head.factPosition
    for row in rows {
      if row.event.kind.changesFacts { factPosition = row.position }
      let event = Cell.json(try RecordBody.encode(row.event))
      let (position, facts) = (Cell.int8(try column(row.position)), try column(factPosition))
      tables.add(.feed) {
        $0.add(
          position, .bytes(row.chain), .instant(row.known), .int8(facts), .id(row.eventID),
          .code(row.event.kind), .text(row.by), event)
      }
      tables.add(.feedEvent) { $0.add(.id(row.eventID), position) }
      for grant in Set(row.event.grants) {
        tables.add(.grantEvent) { $0.add(.id(grant), .code(row.event.kind), position) }
      }
    }
  }

  private func add(
    _ records: [(record: Record, event: Int)], positions: [UInt64], to tables: inout RecordRows
  ) throws {
    var subjects: [RecordReference: RecordSubject] = [:]
    var first = try firstRecorded(records.map(\.record))
    for (unstamped, event) in records {
      guard positions.indices.contains(event) else {
        throw InvalidChange("a record names an event that is not in its change")
      }
      var record = unstamped
      record.stamp = Stamp(position: positions[event], recorded: now, by: caller)
      if case .image(var image) = record {
        image.firstRecorded = first[image.key] ?? now
        first[image.key] = image.firstRecorded
        record = .image(image)
      }
      let subject = try RecordSubject.of(record) { try subjects[$0] ?? self.subject(of: $0) }
      subjects[record.reference] = subject
      try tables.add(record, subject: subject)
    }
  }

  /// When images of which an earlier version is recorded were recorded first. New images, which
  /// imports consist of, are not looked up.
  private func firstRecorded(_ records: [Record]) throws -> [ImageKey: Instant] {
    let corrected = records.compactMap { record -> String? in
      guard case .image(let image) = record, image.version != 1 else { return nil }
      return image.key.text
    }
    guard !corrected.isEmpty else { return [:] }
    var first: [ImageKey: Instant] = [:]
    for row in try connection.execute(.firstRecorded, id, corrected).rows {
      guard let key = ImageKey(text: try row.get(0)) else { continue }
      first[key] = try row.get(1, as: Instant.self)
    }
    return first
  }
}

extension PostgresStatement {
  fileprivate static let eventsKnown = PostgresStatement(
    name: "events_known",
    sql: "SELECT event_id FROM feed_event WHERE organization_id = $1 AND event_id = ANY($2)")
  fileprivate static let firstRecorded = PostgresStatement(
    name: "first_recorded",
    sql: """
      SELECT image_key, min(first_recorded) FROM image_version
      WHERE organization_id = $1 AND image_key = ANY($2) GROUP BY image_key
      """)
}
