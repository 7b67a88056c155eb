internal import ConsentCore
internal import Postgres

/// What the changes of one transaction add and have not yet sent.
///
/// Kept back until the transaction commits, or until a statement is to see them, so that many changes
/// are one statement a table.
final class PendingRows {
  /// Whether a change looks whether its events and ends are new, and sends its rows at once, so that
  /// what is wrong with them is its own error. If not, their keys tell, when it is too late for the
  /// transaction to go on.
  let looksFirst: Bool
  /// Whether statements see what was added before them; always, but for a test.
  let isSeen: Bool
  private let connection: PostgresConnection
  private let organization: OrganizationID
  private var rows: RecordRows
  private var due = DueChange()

  init(
    _ connection: PostgresConnection, _ organization: OrganizationID, looksFirst: Bool,
    isSeen: Bool
  ) {
    self.looksFirst = looksFirst
    self.isSeen = isSeen
    self.connection = connection
    self.organization = organization
    rows = RecordRows(organization: organization)
  }

  func add(_ rows: RecordRows, due: DueChange) throws {
    if due.mustFollow { try flush() }
    self.rows.add(contentsOf: rows)
    self.due.add(contentsOf: due)
    if looksFirst { try flush() } else { try copyIfMany() }
  }

  /// Sends what is pending, so that what comes next sees it.
  func flush() throws {
    try copyIfMany()
    guard !rows.isEmpty else { return }
    let results = try connection.pipeline { try send(into: &$0) }
    if let failure = results.firstFailure { throw failure }
  }

  /// The last of what is pending goes with COMMIT.
  func send(into pipeline: inout PostgresPipeline) throws {
    let (rows, due) = take()
    for set in rows.rowSets { try set.insert(into: &pipeline) }
    try due.apply(to: &pipeline, organization: organization)
  }

  /// Imports do not wait in memory for the end.
  func copyIfMany() throws {
    guard rows.rowSets.contains(where: { $0.rows.count > RowSet.copyThreshold }) else { return }
    let (rows, due) = take()
    // Owners of foreign keys first, as they are in a pipeline.
    for set in rows.rowSets { try set.copy(connection) }
    let results = try connection.pipeline {
      try due.apply(to: &$0, organization: organization)
    }
    if let failure = results.firstFailure { throw failure }
  }

  private func take() -> (RecordRows, DueChange) {
    defer {
      rows = RecordRows(organization: organization)
      due = DueChange()
    }
    return (rows, due)
  }
}
