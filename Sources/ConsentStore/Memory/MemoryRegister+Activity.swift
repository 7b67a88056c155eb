public import ConsentCore
internal import ProofLog

extension MemoryRegister {
  /// Appends a batch to the activity log, which begins by naming the decision log.
  mutating func appendActivity(
    now: Instant, _ add: (inout ActivityItems) -> Void
  ) throws -> [LoggedActivity] {
    var batch = ActivityItems(at: head, now: now)
    if activity.nextLeaf == 0 { batch.add(named: namedLogs) }
    add(&batch)
    var state = activity
    _ = try PackedRecords(batch.items, onto: &state, organization: settings.id)
    state = state.signed(by: logSigner, organization: settings.id)
    let first = activity.nextLeaf
    let added = batch.items.enumerated().map { offset, item in
      item.logged(
        DecisionID(log: state.id, leaf: first + UInt64(offset)), LogReceipt(state))
    }
    activity = state
    activities += added
    return added
  }

  private var namedLogs: [NamedLog] {
    guard log.tree.size > 0 else { return [] }
    return [
      NamedLog(
        id: log.id, kind: UInt8(clamping: log.kind.rawValue), size: log.tree.size,
        root: log.tree.root)
    ]
  }

  func accesses(
    _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) throws -> [LoggedAccess] {
    let all = activities.compactMap(\.access).sorted { $0.isListed(before: $1) }
    var start = 0
    if let cursor {
      guard let place = all.firstIndex(where: { $0.id == cursor }) else {
        throw InvalidChange("the cursor is no logged access")
      }
      start = place + 1
    }
    return Array(all[start...].filter(filter.matches).prefix(max(0, limit)))
  }
}

extension MemoryConsentStore {
  public func log(
    _ accesses: [Access], of organization: OrganizationID
  ) async throws -> [LoggedAccess] {
    try change(organization) { register, now in
      guard !accesses.isEmpty else { return [] }
      return try register.appendActivity(now: now) { $0.add(accesses) }.compactMap(\.access)
    }
  }

  public func accesses(
    of organization: OrganizationID, _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) async throws -> [LoggedAccess] {
    try change(organization) { register, _ in
      try register.accesses(filter, after: cursor, limit: limit)
    }
  }

  public func anchorFeed(of organization: OrganizationID) async throws -> Bool {
    try change(organization) { register, now in
      let from = register.anchored
      guard register.head.position != from else { return false }
      _ = try register.appendActivity(now: now) { $0.addAnchor(from: from) }
      register.anchored = register.head.position
      return true
    }
  }
}
