import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Records that a named event occurred; grants on it end now. Uses between its occurrence and now
  /// are counted after the commit, for review.
  static func resolveExpiryEvent(
    _ service: ConsentService, _ request: Consent_V1_ResolveExpiryEventRequest,
    by caller: Principal
  ) async throws -> Consent_V1_ResolveExpiryEventResponse {
    let calendar = try service.calendars[caller.organization]
    let resolution = try RequestReader.read { reader -> ExpiryEventResolution? in
      reader.conventions(request)
      let event = reader.id(request.expiryEventID, "expiry_event_id", of: ExpiryEvent.self)
      let occurred = reader.signedTime(
        request.hasOccurred ? request.occurred : nil, "occurred", .required, calendar: calendar)
      guard let event, let occurred else { return nil }
      return ExpiryEventResolution(
        id: .random(), event: event, occurred: occurred.start(calendar))
    }
    let holders = try await service.store.read(caller.organization) { reader in
      // Before every patient is looked at: there is such an event.
      _ = try reader.facts(
        of: RecordReference(kind: .expiryEvent, id: resolution.event.retyped()))
      return try reader.grantHolders(on: resolution.event)
    }
    let response = try await service.record(request, by: caller) { recording in
      let reference = RecordReference(kind: .expiryEvent, id: resolution.event.retyped())
      let facts = try recording.writer.facts(of: reference)
        .joined(
          with: try recording.writer.facts(
            patients: try holders.patients(now: recording.writer), asOf: nil))
      let change = try CommandFields.named {
        try recording.builder(facts).resolveExpiryEvent(resolution)
      }
      try recording.writer.append(change)
      var response = Consent_V1_ResolveExpiryEventResponse()
      response.endedGrantIds = facts.live(on: resolution.event, at: recording.now)
        .map(\.description)
      if let event = facts.expiryEvents.first(where: { $0.id == resolution.event }) {
        response.expiryEvent = Consent_V1_ExpiryEvent(
          event, resolution: resolution, calendar: recording.calendar)
        response.expiryEvent.occurred = request.occurred
      }
      return response
    }
    return try await service.store.read(caller.organization) { reader in
      var counted = response
      guard
        let recorded = try reader.facts(
          of: RecordReference(kind: .expiryEvent, id: resolution.event.retyped())
        ).resolution(of: resolution.event)
      else { return counted }
      let grants = response.endedGrantIds.compactMap { GrantID($0) }
      counted.usesInBetweenCount = UInt64(
        try reader.uses(
          under: grants, below: recorded.stamp.position, from: recorded.occurred
        ).count)
      return counted
    }
  }
}

extension Facts {
  /// Grants on a named event that nothing has ended yet, in order of recording.
  fileprivate func live(on event: ID<ExpiryEvent>, at: Instant) -> [GrantID] {
    instruments.sorted { ($0.stamp.position, $0.id) < ($1.stamp.position, $1.id) }
      .flatMap { paper in
        paper.grants
          .filter { grant in
            grant.expiry == .event(event)
              && (ending(of: grant, in: paper).map { $0.ended > at } ?? true)
          }
          .map(\.id)
      }
  }

  /// The first resolution that stands.
  func resolution(of event: ID<ExpiryEvent>) -> ExpiryEventResolution? {
    let standing = Standing(self)
    return
      expiryEventResolutions
      .filter { $0.event == event && standing.contains(.expiryEventResolution($0)) }
      .min { $0.stamp.position < $1.stamp.position }
  }
}
