public import ConsentCore
internal import Postgres

extension PostgresConsentStore {
  public func log(
    _ accesses: [Access], of organization: OrganizationID
  ) async throws -> [LoggedAccess] {
    guard !accesses.isEmpty else { return [] }
    return try await activities[organization].log(.accesses(accesses)).compactMap(\.access)
  }

  public func anchorFeed(of organization: OrganizationID) async throws -> Bool {
    try await !activities[organization].log(.anchor).isEmpty
  }

  /// Reads every batch of the activity logs in the filter's period, some 4 MB at a time, and stops
  /// at `limit`.
  public func accesses(
    of organization: OrganizationID, _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) async throws -> [LoggedAccess] {
    try await read(organization) { reader in
      guard let view = reader as? PostgresView else { return [] }
      return try view.accesses(filter, after: cursor, limit: limit)
    }
  }
}

extension PostgresView {
  func accesses(
    _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) throws -> [LoggedAccess] {
    var filter = filter
    let last = try cursor.map { cursor in
      guard let last = try access(cursor) else {
        throw InvalidChange("the cursor is no logged access")
      }
      filter.from = max(filter.from ?? last.access.at, last.access.at)
      return last
    }
    var stream = PackedStream(accesses: try connection, id, filter)
    var found: [LoggedAccess] = []
    while found.count < limit, let next = try stream.pop() {
      if let last, !last.isListed(before: next) { continue }
      found.append(next)
    }
    return found
  }

  private func access(_ id: DecisionID) throws -> LoggedAccess? {
    guard let batch = try packedBatch(holding: id), batch.isActivity else { return nil }
    return try batch.activities().first { $0.id == id }?.access
  }
}
