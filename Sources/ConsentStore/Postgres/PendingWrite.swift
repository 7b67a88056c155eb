internal import ConsentCore

/// One caller's change on its way into a transaction.
struct PendingWrite: Sendable {
  typealias Body = @Sendable (any FactWriter) throws -> [UInt8]

  let caller: String
  let key: ReplyKey
  /// The log that the change's own decisions go to, such as that of an emergency override.
  let log: ID<DecisionLog>
  /// Whose facts and identity `body` will ask for, so that they are read for many changes at once.
  let patient: PatientID?
  let body: Body
  /// An earlier try ran `body` and may have committed: the reply found then is no replay.
  var mayStand = false
  /// What that try logged.
  var triedLog: LogState?

  init(
    caller: String, key: IdempotencyKey?, about patient: PatientID? = nil, body: @escaping Body
  ) {
    self.caller = caller
    self.patient = patient
    self.key = ReplyKey(key)
    log = PostgresConsentStore.randomID()
    self.body = body
  }

  /// PostgreSQL stores no text with a NUL. It is refused before it meets others' changes.
  var canBeStored: Bool { ![caller, key.caller, key.key].contains { $0.utf8.contains(0) } }
}

/// Under which key the reply of a write is found again. A write without a caller's key gets one of
/// its own, so that a lost reply can always be resolved.
struct ReplyKey: Sendable {
  var origin: Int16
  var caller: String
  var key: String
  var contentSHA256: [UInt8]

  init(_ key: IdempotencyKey?) {
    origin = key == nil ? 2 : 1
    caller = key?.caller ?? ""
    let own: ID<Record> = PostgresConsentStore.randomID()
    self.key = key?.key ?? own.description
    contentSHA256 = key?.contentSHA256 ?? []
  }

  /// Nobody else has it.
  var isOwn: Bool { origin == 2 }

  var name: Name { Name(origin: origin, caller: caller, key: key) }

  struct Name: Hashable {
    var origin: Int16
    var caller: String
    var key: String
  }
}
