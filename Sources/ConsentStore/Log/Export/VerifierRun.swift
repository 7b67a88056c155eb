internal import ConsentCore
internal import ProofLog

/// One pass over an export.
struct VerifierRun {
  typealias Fault = LogVerifier.Fault

  private struct Open {
    var origin: String
    var organization: OrganizationID
    var id: ID<DecisionLog>
    var keys: [VerifierKey]
    var tree = MerkleTree()
    /// How many leaves the newest signature covers; `nil` before it.
    var signedSize: UInt64?
    var checkpoints: [Checkpoint]
    var closedBy: String?
    /// Of decisions, or of activity; `nil` before its first record.
    var isActivity: Bool?
  }

  private let verifier: LogVerifier
  private var open: Open?
  private var names = NamedSizes()
  /// Of whose logs the file is: those that name each other.
  private var organization: OrganizationID?
  private(set) var logs: [LogVerifier.Log] = []
  private(set) var leaves: UInt64 = 0

  init(_ verifier: LogVerifier) { self.verifier = verifier }

  func fault(
    _ kind: Fault.Kind, at offset: UInt64, leaf: UInt64? = nil, end: UInt64? = nil
  ) -> Fault {
    Fault(
      kind: kind, offset: offset, origin: open?.origin, leaf: leaf, end: end,
      decision: leaf.flatMap { leaf in open.map { DecisionID(log: $0.id, leaf: leaf) } })
  }

  mutating func begin(_ source: inout ExportSource) throws {
    let start = source.offset
    guard open == nil else { throw fault(.malformed, at: start) }
    guard try source.integer(UInt64.self) != nil, let origin = try source.shortText(),
      let key = try source.shortText()
    else { throw fault(.truncated, at: start) }
    let parts = origin.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, let organization = OrganizationID(parts[1]),
      let id = ID<DecisionLog>(parts[2]),
      origin == Checkpoint.origin(organization: organization, log: id),
      !logs.contains(where: { $0.origin == origin })
    else { throw fault(.malformed, at: start) }
    let named = VerifierKey(text: key)
    guard key.isEmpty || named != nil else { throw fault(.malformed, at: start) }
    open = Open(
      origin: origin, organization: organization, id: id,
      keys: verifier.keys.isEmpty ? named.map { [$0] } ?? [] : verifier.keys,
      checkpoints: verifier.checkpoints.filter { $0.origin == origin })
    if self.organization != nil, organization != self.organization {
      throw fault(.malformed, at: start)
    }
    self.organization = organization
    if let named, !verifier.keys.isEmpty, !verifier.keys.contains(named) {
      throw fault(.unknownKey, at: start)
    }
    try compare(at: start)
  }

  mutating func batch(_ source: inout ExportSource) throws {
    let start = source.offset
    guard let log = open else { throw fault(.malformed, at: start) }
    let expected = log.tree.size
    guard log.closedBy == nil else { throw fault(.reopened, at: start, leaf: expected) }
    guard let first = try source.integer(UInt64.self), let count = try source.integer(UInt32.self),
      let rootBytes = try source.take(TreeHash.byteCount), let root = TreeHash(rootBytes),
      let length = try source.integer(UInt32.self)
    else { throw fault(.truncated, at: start, leaf: expected) }
    guard first == expected else {
      throw fault(first > expected ? .missing : .misplaced, at: start, leaf: expected)
    }
    let end = source.offset + UInt64(length)
    for _ in 0..<count { try record(&source, end: end) }
    guard source.offset == end else {
      throw fault(.malformed, at: source.offset, leaf: open?.tree.size)
    }
    guard open?.tree.root == root else {
      throw fault(.root, at: start, leaf: expected, end: expected + UInt64(count))
    }
  }

  private mutating func record(_ source: inout ExportSource, end: UInt64) throws {
    let start = source.offset
    guard let log = open else { throw fault(.malformed, at: start) }
    let leaf = log.tree.size
    guard let length = try source.integer(UInt32.self),
      let hash = try source.take(TreeHash.byteCount).flatMap({ TreeHash($0) }),
      let bytes = try source.take(Int(length))
    else { throw fault(.truncated, at: start, leaf: leaf) }
    guard source.offset <= end else { throw fault(.malformed, at: start, leaf: leaf) }
    guard TreeHash.leaf(bytes) == hash else { throw fault(.changed, at: start, leaf: leaf) }
    let kind = LogRecord.placedKind(
      bytes, organization: log.organization, DecisionID(log: log.id, leaf: leaf))
    let isActivity = kind != LogRecord.kind
    guard kind != nil, log.isActivity ?? isActivity == isActivity else {
      throw fault(.misplaced, at: start, leaf: leaf)
    }
    open?.isActivity = isActivity
    if isActivity { try activity(bytes, at: start, leaf: leaf) }
    open?.tree.append(hash)
    leaves += 1
    try compare(at: start)
  }

  /// A record of an activity log; its first tells of the other logs.
  private mutating func activity(
    _ bytes: ArraySlice<UInt8>, at start: UInt64, leaf: UInt64
  ) throws {
    guard let record = ActivityRecord(bytes) else {
      throw fault(.malformed, at: start, leaf: leaf)
    }
    guard case .logs(let named) = record.activity else {
      guard leaf > 0 else { throw fault(.misplaced, at: start, leaf: leaf) }
      return
    }
    for log in named where !names.demand(log) {
      throw fault(.replaced, of: log.id, size: log.size, at: start)
    }
  }

  /// What activity logs will name, so that each log is looked at where it was.
  mutating func named(_ source: inout ExportSource) throws {
    let start = source.offset
    guard open == nil, logs.isEmpty, organization == nil else {
      throw fault(.malformed, at: start)
    }
    guard let organization = try source.id(OrganizationID.self),
      let count = try source.integer(UInt32.self)
    else { throw fault(.truncated, at: start) }
    self.organization = organization
    for _ in 0..<count {
      guard let log = try source.id(ID<DecisionLog>.self),
        let size = try source.integer(UInt64.self)
      else { throw fault(.truncated, at: start) }
      names.announce(log, size: size)
    }
  }

  /// Of a log that is named, which need not be in the file.
  private func fault(
    _ kind: Fault.Kind, of log: ID<DecisionLog>, size: UInt64, at offset: UInt64
  ) -> Fault {
    Fault(
      kind: kind, offset: offset,
      origin: organization.map { Checkpoint.origin(organization: $0, log: log) }, leaf: 0,
      end: size, decision: nil)
  }

  /// With checkpoints from elsewhere, at the size they are of; and kept to be compared with what
  /// other logs say.
  private mutating func compare(at offset: UInt64) throws {
    guard let log = open else { return }
    names.reach(log.id, size: log.tree.size, root: log.tree.root)
    for checkpoint in log.checkpoints where checkpoint.size == log.tree.size {
      guard checkpoint.root == log.tree.root else {
        throw fault(.forked, at: offset, leaf: 0, end: checkpoint.size)
      }
    }
  }

  /// One a log: the newest covers everything before it, so that older ones need no look.
  mutating func signature(_ source: inout ExportSource) throws {
    let start = source.offset
    guard let log = open, log.signedSize == nil, log.closedBy == nil else {
      throw fault(.malformed, at: start)
    }
    guard let count = try source.integer(UInt8.self),
      let signature = try source.take(Int(count)).map(Array.init)
    else { throw fault(.truncated, at: start, leaf: log.tree.size) }
    let checkpoint = Checkpoint(
      organization: log.organization, log: log.id, size: log.tree.size, root: log.tree.root)
    let isValid = log.keys.contains { key in
      let note = SignedNote(
        text: checkpoint.text,
        signatures: [.init(name: key.name, keyHash: key.keyHash, bytes: signature)])
      return (try? note.verify([key])) != nil
    }
    guard isValid else { throw fault(.signature, at: start, leaf: 0, end: checkpoint.size) }
    open?.signedSize = log.tree.size
  }

  /// The end that another node signed: of the tree so far.
  mutating func closing(_ source: inout ExportSource) throws {
    let start = source.offset
    guard let log = open, log.closedBy == nil else { throw fault(.malformed, at: start) }
    guard let ownSize = try source.integer(UInt64.self), let text = try source.shortText(),
      let count = try source.integer(UInt8.self),
      let signature = try source.take(Int(count)).map(Array.init)
    else { throw fault(.truncated, at: start, leaf: log.tree.size) }
    // What it says of the own node's signature is what stands in the file.
    guard let key = VerifierKey(text: text), ownSize == log.signedSize ?? 0 else {
      throw fault(.malformed, at: start)
    }
    guard verifier.keys.isEmpty || verifier.keys.contains(key) else {
      throw fault(.unknownKey, at: start)
    }
    let closing = LogClosing(
      size: log.tree.size, root: log.tree.root, ownSize: ownSize, verifierKey: key,
      signature: signature)
    let note = closing.note(organization: log.organization, log: log.id)
    guard (try? note.verify([key])) != nil else {
      throw fault(.signature, at: start, leaf: 0, end: log.tree.size)
    }
    open?.closedBy = key.name
  }

  mutating func end(_ source: inout ExportSource) throws {
    let start = source.offset
    guard let size = try source.integer(UInt64.self),
      let root = try source.take(TreeHash.byteCount).flatMap({ TreeHash($0) })
    else { throw fault(.truncated, at: start) }
    guard let log = open else { throw fault(.malformed, at: start) }
    guard log.tree.size == size else {
      throw fault(.missing, at: start, leaf: log.tree.size, end: size)
    }
    guard log.tree.root == root else { throw fault(.root, at: start, leaf: 0, end: size) }
    if let longer = log.checkpoints.first(where: { $0.size > size }) {
      throw fault(.rolledBack, at: start, leaf: size, end: longer.size)
    }
    names.end(log.id, size: size, root: root)
    logs.append(
      LogVerifier.Log(
        origin: log.origin, size: size, root: root,
        signedSize: log.closedBy == nil ? log.signedSize ?? 0 : size, closedBy: log.closedBy,
        ownSignedSize: log.signedSize ?? 0))
    open = nil
  }

  mutating func finish(_ source: inout ExportSource) throws {
    let start = source.offset
    guard open == nil, let count = try source.integer(UInt32.self), Int(count) == logs.count else {
      throw fault(.truncated, at: start)
    }
    guard try source.isComplete() else { throw fault(.malformed, at: source.offset) }
    // And one that another log in the file knows of.
    if let named = names.verdict(ofPart: verifier.isOfPart) {
      let kind: Fault.Kind =
        switch named.verdict {
        case .isMissing: .dropped
        case .isShorter: .cut
        case .isAnother: .replaced
        case .isUnknown: .malformed
        }
      throw fault(kind, of: named.log, size: named.size, at: start)
    }
    // A log that somebody else knows of must be there.
    let missing = verifier.checkpoints.first { checkpoint in
      checkpoint.size > 0 && !logs.contains { $0.origin == checkpoint.origin }
    }
    if let missing {
      throw Fault(kind: .rolledBack, offset: start, origin: missing.origin, leaf: 0)
    }
  }
}

extension LogRecord {
  /// The kind of the record that stands there; `nil` unless the bytes say that one does. Their form
  /// is not looked at further.
  static func placedKind(
    _ bytes: ArraySlice<UInt8>, organization: OrganizationID, _ id: DecisionID
  ) -> UInt8? {
    var reader = CanonicalReader(bytes)
    do {
      guard try reader.byte() == version else { return nil }
      let kind = try reader.byte()
      guard kind == self.kind || ActivityRecord.kinds.contains(kind),
        try reader.id() == organization, try reader.id() == id.log,
        try reader.integer(UInt64.self) == id.leaf
      else { return nil }
      return kind
    } catch {
      return nil
    }
  }
}
