import ConsentCore
import ConsentStore
import EventFeed

/// One organization in a reference store, and a way to make its feed grow.
struct FeedWriter: Sendable {
  let store: MemoryConsentStore
  let organization: OrganizationID

  init(clock: any WallClock, organization: OrganizationID = OrganizationID(high: 1, low: 1))
    async throws
  {
    store = MemoryConsentStore(clock: clock)
    self.organization = organization
    try await store.createOrganization(
      OrganizationSettings(id: organization, name: "Test", timeZone: "America/Chicago"))
  }

  /// Appends `count` rows in one change; subjects are their positions.
  @discardableResult
  func grow(by count: Int, kind: EventKind = .documentStored, patient: PatientID? = nil)
    async throws -> FeedHead
  {
    try await store.write(organization, by: "test", key: nil) { writer in
      let first = writer.head.position
      let events = (1...count).map { offset in
        FeedEvent(
          kind: kind, subject: String(first + UInt64(offset)), patient: patient,
          occurred: writer.now)
      }
      try writer.append(Change(events: events))
      return []
    }.head
  }

  func head() async throws -> FeedHead { try await store.read(organization) { $0.head } }

  func cursor(at position: UInt64) async throws -> WatchCursor {
    let head = try await store.read(organization) { try $0.head(at: position) }
    guard let head else { throw StoreError.unreadable("no such position") }
    return WatchCursor(head)
  }

  func rows() async throws -> [FeedRow] {
    try await store.read(organization) { try $0.feed(after: 0, limit: .max) }
  }
}
