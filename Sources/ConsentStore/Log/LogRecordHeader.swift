internal import ConsentCore

/// What every record of a log begins with: version, kind, organization, log, leaf, and the head of
/// the feed it was made at (position, chain, known, fact position).
struct LogRecordHeader {
  var kind: UInt8
  var organization: OrganizationID
  var id: DecisionID
  var head: FeedHead

  init(_ reader: inout CanonicalReader) throws(CanonicalReader.Malformed) {
    guard try reader.byte() == LogRecord.version else { throw CanonicalReader.Malformed() }
    kind = try reader.byte()
    organization = try reader.id()
    id = DecisionID(log: try reader.id(), leaf: try reader.integer())
    head = FeedHead(
      position: try reader.integer(), chain: Array(try reader.raw(32)),
      known: try reader.instant(), factPosition: try reader.integer())
  }
}

extension CanonicalBytes {
  mutating func append(
    recordHeader kind: UInt8, id: DecisionID, head: FeedHead, organization: OrganizationID
  ) {
    append(byte: LogRecord.version)
    append(byte: kind)
    append(organization)
    append(id.log)
    append(id.leaf)
    append(head.position)
    append(raw: head.chain)
    append(head.known.microseconds)
    append(head.factPosition)
  }
}
