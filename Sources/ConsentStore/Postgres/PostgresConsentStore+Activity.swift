public import ConsentCore

extension PostgresConsentStore {
  public func log(
    _ accesses: [Access], of organization: OrganizationID
  ) async throws -> [LoggedAccess] {
    throw StoreError.unavailable("reads are not logged yet")
  }

  public func accesses(
    of organization: OrganizationID, _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) async throws -> [LoggedAccess] {
    throw StoreError.unavailable("reads are not logged yet")
  }

  public func anchorFeed(of organization: OrganizationID) async throws -> Bool { false }
}
