import ConsentCore
import ConsentProto
import ConsentStore
import EventFeed
import RPCServer
import SwiftProtobuf

extension ConsentService {
  /// Follows the feed from a position, without end: every event once, in order, with heartbeats.
  ///
  /// Its access is its beginning: with the position and the filter in it, the feed itself says what
  /// was told since.
  static func watchEvents(
    _ service: ConsentService, _ request: Consent_V1_WatchRequest, by caller: Principal
  ) async throws -> ShownStream<Consent_V1_WatchResponse> {
    let asked = try RequestReader.read { $0.watch(request) }
    if let position = asked.minPosition {
      try await service.store.read(caller.organization) { try position.require(in: $0) }
    }
    let stream = try await service.watch.subscribe(
      caller.organization, from: asked.start, filter: asked.filter,
      heartbeatMicroseconds: asked.heartbeatMicroseconds)
    return ShownStream(
      patients: asked.filter.patients,
      subject: [
        "after": String(stream.cursor.position), "kinds": asked.filter.kinds.subject(\.name),
      ]
    ) { writer in
      writer.sendHeaders()
      let details = EventDetails(limits: caller.limits)
      for try await message in stream {
        if message.isHeartbeat {
          try await writer.send(Consent_V1_WatchResponse(heartbeat: message))
        } else {
          for event in try await service.told(message.rows, details, caller.organization) {
            try await writer.send(Consent_V1_WatchResponse(event: event))
          }
        }
      }
      try Task.checkCancellation()
      throw ServiceError.unavailable("this node is ending; watch another from your last position")
    }
  }

  /// Rows as events; the store is asked only where a row does not say all.
  private func told(
    _ rows: [FeedRow], _ details: EventDetails, _ organization: OrganizationID
  ) async throws -> [Consent_V1_Event] {
    guard rows.contains(where: \.event.hasDetail) else { return rows.map(Consent_V1_Event.init) }
    return try await store.read(organization) { try details.events(rows, in: $0) }
  }
}

struct AskedWatch: Sendable {
  var start: WatchStart
  var filter: WatchFilter
  var heartbeatMicroseconds: Int64
  var minPosition: KnownPosition?
}

extension RequestReader {
  mutating func watch(_ value: Consent_V1_WatchRequest) -> AskedWatch? {
    let after = position(value.hasAfter ? value.after : nil, "after")
    if value.fromNow, let after, after.position > 0 {
      refuse("from_now", "does not go together with `after`; send one of them")
    }
    let filter = eventFilter(value.hasFilter ? value.filter : nil, "filter")
    let heartbeat = duration(
      value.hasHeartbeatInterval ? value.heartbeatInterval : nil, "heartbeat_interval",
      secondsAtMost: 300)
    if let heartbeat, heartbeat < 1_000_000 {
      refuse("heartbeat_interval", "is less than a second; ask for 1 second to 5 minutes")
    }
    let position = minPosition(value.hasMinPosition ? value.minPosition : nil)
    return AskedWatch(
      start: value.fromNow ? .now : WatchStart(after), filter: filter,
      heartbeatMicroseconds: max(heartbeat ?? 15_000_000, 1), minPosition: position)
  }
}

extension WatchStart {
  /// Without a history at the position nothing is compared.
  init(_ known: KnownPosition?) {
    guard let known, known.position > 0 else {
      self = .afterPosition(0)
      return
    }
    self =
      known.chain.isEmpty
      ? .afterPosition(known.position)
      : .after(WatchCursor(position: known.position, chain: known.chain))
  }
}

extension Consent_V1_WatchResponse {
  init(event: Consent_V1_Event) {
    self.init()
    self.event = event
    position = event.position
  }

  init(heartbeat message: WatchMessage) {
    self.init()
    heartbeat.at = Google_Protobuf_Timestamp(message.asOf)
    position = Consent_V1_FeedPosition(
      position: message.cursor.position, chain: message.cursor.chain)
  }
}
