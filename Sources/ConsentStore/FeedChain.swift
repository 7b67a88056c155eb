public import ConsentCore
internal import Crypto

/// The identity of feed rows and the hash that binds each row to its history.
public enum FeedChain {
  /// First 128 bits of SHA-256 (organization, 16 bytes; kind, 1 byte; subject, UTF-8).
  public static func eventID(
    organization: OrganizationID, kind: EventKind, subject: String
  ) -> ID<FeedEvent> {
    var form = CanonicalBytes()
    form.append(organization)
    form.append(kind.rawValue)
    form.append(raw: Array(subject.utf8))
    let digest = Array(SHA256.hash(data: form.bytes))
    func word(_ range: Range<Int>) -> UInt64 {
      digest[range].reduce(0) { $0 << 8 | UInt64($1) }
    }
    return ID(high: word(0..<8), low: word(8..<16))
  }

  /// SHA-256 (chain before, 32 bytes; canonical bytes of the row).
  public static func next(
    after chain: [UInt8], organization: OrganizationID, position: UInt64, known: Instant,
    eventID: ID<FeedEvent>, event: FeedEvent, by: String
  ) -> [UInt8] {
    var form = CanonicalBytes()
    form.append(raw: chain)
    form.append(UInt8(1))
    form.append(organization)
    form.append(position)
    form.append(known.microseconds)
    form.append(eventID)
    form.append(event: event)
    form.append(text: by)
    return Array(SHA256.hash(data: form.bytes))
  }

  /// The rows that `event`s make after `head`, and the head after them.
  static func rows(
    _ events: [FeedEvent], after head: FeedHead, organization: OrganizationID, known: Instant,
    by: String
  ) -> (rows: [FeedRow], head: FeedHead) {
    var head = head
    head.known = events.isEmpty ? head.known : known
    let rows = events.map { event in
      head.position += 1
      if event.kind.changesFacts { head.factPosition = head.position }
      let id = eventID(organization: organization, kind: event.kind, subject: event.subject)
      head.chain = next(
        after: head.chain, organization: organization, position: head.position, known: known,
        eventID: id, event: event, by: by)
      return FeedRow(
        position: head.position, chain: head.chain, known: known, eventID: id, event: event, by: by)
    }
    return (rows, head)
  }
}

extension CanonicalBytes {
  /// Version 1 of the form: kind, subject, patient, record, grants, images, scope, uses, occurred,
  /// in this order. A field added later gets a new version number in front of the row.
  fileprivate mutating func append(event: FeedEvent) {
    append(event.kind.rawValue)
    append(text: event.subject)
    append(UInt8(event.patient == nil ? 0 : 1))
    if let patient = event.patient { append(patient) }
    append(event.record?.kind.rawValue ?? 0)
    if let record = event.record { append(record.id) }
    append(count: event.grants.count)
    for grant in event.grants { append(grant) }
    append(count: event.images.count)
    for image in event.images { append(text: image.text) }
    switch event.scope {
    case nil: append(UInt8(0))
    case .image(let key)?:
      append(UInt8(1))
      append(text: key.text)
    case .series(let uid)?:
      append(UInt8(2))
      append(text: uid)
    case .study(let uid)?:
      append(UInt8(3))
      append(text: uid)
    case .patient?: append(UInt8(4))
    }
    append(event.uses.bits)
    append(event.occurred.microseconds)
  }
}
