import ConsentCore
import ConsentProto
import ConsentStore
import EventFeed

extension ConsentService {
  /// Reads a stretch of the feed.
  static func listEvents(
    _ service: ConsentService, _ request: Consent_V1_ListEventsRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_ListEventsResponse> {
    let asked = try RequestReader.read { reader -> AskedEvents? in
      AskedEvents(
        after: reader.position(request.hasAfter ? request.after : nil, "after"),
        through: request.through,
        filter: reader.eventFilter(request.hasFilter ? request.filter : nil, "filter"),
        pageSize: reader.pageSize(request.pageSize),
        minPosition: reader.minPosition(request.hasMinPosition ? request.minPosition : nil))
    }
    let details = EventDetails(limits: caller.limits)
    return try await service.store.read(caller.organization) { reader in
      let stretch = try asked.stretch(in: reader)
      var response = Consent_V1_ListEventsResponse()
      response.events = try details.events(stretch.rows, in: reader)
      response.more = stretch.more
      response.position = Consent_V1_FeedPosition(stretch.end)
      return Shown(
        response, naming: response.events.flatMap(\.patientsNamed),
        asked: Array(asked.filter.patients),
        subject: [
          "after": String(asked.after?.position ?? 0), "kinds": asked.filter.kinds.subject(\.name),
        ])
    }
  }
}

extension Consent_V1_Event {
  /// Patients that it names, in whatever field.
  fileprivate var patientsNamed: [String] {
    guard case .patientsJoined(let joined)? = detail else { return [patientID] }
    return [patientID, joined.survivingPatientID, joined.mergedPatientID]
  }
}

struct AskedEvents: Sendable {
  var after: KnownPosition?
  var through: UInt64
  var filter: WatchFilter
  var pageSize: Int
  var minPosition: KnownPosition?

  struct Stretch {
    var rows: [FeedRow] = []
    /// Everything wanted up to here is in it.
    var end: FeedHead
    var more = false
  }

  /// Reads on until the page is full or the end is reached; of a feed of which little passes, at
  /// most so many rows that an answer stays near.
  func stretch(in reader: any FactReader) throws -> Stretch {
    try minPosition?.require(in: reader)
    let start = after?.position ?? 0
    guard let head = try reader.head(at: start) else {
      throw ServiceError.historyReplaced(at: start)
    }
    if let chain = after?.chain, !chain.isEmpty, chain != head.chain {
      throw ServiceError.historyReplaced(at: start)
    }
    let last = through == 0 ? reader.head.position : min(through, reader.head.position)
    var stretch = Stretch(end: head)
    var read = 0
    while stretch.end.position < last, read < 20_000 {
      let wanted = Int(clamping: min(1_000, last - stretch.end.position))
      let rows = try reader.feed(after: stretch.end.position, limit: wanted)
      guard !rows.isEmpty else { break }
      read += rows.count
      for row in rows {
        if filter.passes(row.event) {
          guard stretch.rows.count < pageSize else {
            stretch.more = true
            return stretch
          }
          stretch.rows.append(row)
        }
        stretch.end = FeedHead(
          position: row.position, chain: row.chain, known: row.known,
          factPosition: stretch.end.factPosition)
      }
    }
    stretch.more = stretch.end.position < last
    return stretch
  }
}
