public import ConsentCore
public import ProofLog

/// What an activity log tells: what was read, and where everything else stood.
public enum Activity: Hashable, Sendable {
  case access(Access)
  /// The first records of an activity log: how far the organization's other logs had come.
  case logs([NamedLog])
  case changes(FeedAnchor)

  /// The byte after a record's version.
  var kind: UInt8 {
    switch self {
    case .access: 2
    case .logs: 3
    case .changes: 4
    }
  }
}

/// A log as another one saw it: it can never be shorter, or another, again.
public struct NamedLog: Hashable, Sendable {
  public var id: ID<DecisionLog>
  /// As in `proof_log.kind`.
  public var kind: UInt8
  public var size: UInt64
  public var root: TreeHash

  public init(id: ID<DecisionLog>, kind: UInt8, size: UInt64, root: TreeHash) {
    self.id = id
    self.kind = kind
    self.size = size
    self.root = root
  }
}

/// The feed's rows above `from` up to `to`, by the chain that binds them and all before them.
public struct FeedAnchor: Hashable, Sendable {
  /// Where this log's last anchor ended; 0 in its first.
  public var from: UInt64
  public var to: UInt64
  /// Of the row at `to`, 32 bytes.
  public var chain: [UInt8]

  public init(from: UInt64, to: UInt64, chain: [UInt8]) {
    self.from = from
    self.to = to
    self.chain = chain
  }
}

/// One leaf of an activity log. Its header is that of a `LogRecord`, with another kind.
public struct ActivityRecord: Hashable, Sendable {
  public var organization: OrganizationID
  public var id: DecisionID
  public var head: FeedHead
  public var activity: Activity

  public init(
    organization: OrganizationID, id: DecisionID, head: FeedHead, activity: Activity
  ) {
    self.organization = organization
    self.id = id
    self.head = head
    self.activity = activity
  }

  static let kinds: ClosedRange<UInt8> = 2...4

  /// The canonical form, version 2.
  public var bytes: [UInt8] {
    var form = CanonicalBytes(reserving: 256)
    Self.append(to: &form, activity, id: id, head: head, organization: organization)
    return form.bytes
  }

  static func append(
    to form: inout CanonicalBytes, _ activity: Activity, id: DecisionID, head: FeedHead,
    organization: OrganizationID
  ) {
    form.append(recordHeader: activity.kind, id: id, head: head, organization: organization)
    switch activity {
    case .access(let access):
      form.append(varText: access.caller)
      form.append(varText: access.method)
      form.append(varCount: access.patients.count)
      for patient in access.patients { form.append(patient) }
      form.append(optionalText: access.subject)
      form.append(access.at.microseconds)
    case .logs(let logs):
      form.append(varCount: logs.count)
      for log in logs {
        form.append(log.id)
        form.append(byte: log.kind)
        form.append(log.size)
        form.append(raw: log.root.bytes)
      }
    case .changes(let anchor):
      form.append(anchor.from)
      form.append(anchor.to)
      form.append(raw: anchor.chain)
    }
  }

  /// `nil` unless `bytes` is exactly the form that `bytes` gives of some record. Never traps.
  public init?(_ bytes: some Collection<UInt8>) {
    var reader = CanonicalReader(ArraySlice(bytes))
    guard let record = try? ActivityRecord(&reader), reader.isAtEnd else { return nil }
    self = record
  }

  private init(_ reader: inout CanonicalReader) throws(CanonicalReader.Malformed) {
    let header = try LogRecordHeader(&reader)
    organization = header.organization
    id = header.id
    head = header.head
    switch header.kind {
    case 2: activity = .access(try Access(&reader))
    case 3:
      activity = .logs(
        try reader.list { reader throws(CanonicalReader.Malformed) in try NamedLog(&reader) })
    case 4:
      activity = .changes(
        FeedAnchor(
          from: try reader.integer(), to: try reader.integer(), chain: Array(try reader.raw(32))))
    default: throw CanonicalReader.Malformed()
    }
  }
}

extension Access {
  fileprivate init(_ reader: inout CanonicalReader) throws(CanonicalReader.Malformed) {
    self.init(
      caller: try reader.text(), method: try reader.text(),
      patients: try reader.list { reader throws(CanonicalReader.Malformed) in try reader.id() },
      subject: try reader.optionalText(), at: try reader.instant())
  }
}

extension NamedLog {
  fileprivate init(_ reader: inout CanonicalReader) throws(CanonicalReader.Malformed) {
    let id: ID<DecisionLog> = try reader.id()
    let kind = try reader.byte()
    let size: UInt64 = try reader.integer()
    guard let root = TreeHash(try reader.raw(TreeHash.byteCount)) else {
      throw CanonicalReader.Malformed()
    }
    self.init(id: id, kind: kind, size: size, root: root)
  }
}
