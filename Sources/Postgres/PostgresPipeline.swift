internal import CLibpq

/// Statements on their way to the server, all before one answer is awaited.
public struct PostgresPipeline {
  /// The place of a statement's answer in the results.
  public struct Slot: Sendable, Hashable {
    let index: Int
  }

  enum Expected {
    case prepare(PostgresStatement, PreparedStatements.Entry)
    case statement(String)
    case commit
  }

  let connection: PostgresConnection
  var expected: [Expected] = []
  var slotCount = 0
  private var preparing: [String: PreparedStatements.Entry] = [:]

  init(connection: PostgresConnection) { self.connection = connection }

  /// Puts a statement on its way. Its answer is in the results under the slot returned.
  /// - Throws: `.misuse`, or `.connectionLost` when nothing can be sent; the pipeline is then
  ///   undone as a whole.
  @discardableResult
  public mutating func execute(
    _ statement: PostgresStatement, _ parameters: PostgresParameters
  ) throws(PostgresError) -> Slot {
    try send(statement, parameters, as: .statement(statement.name))
    defer { slotCount += 1 }
    return Slot(index: slotCount)
  }

  @discardableResult
  public mutating func execute<each Value: PostgresEncodable>(
    _ statement: PostgresStatement, _ values: repeat each Value
  ) throws(PostgresError) -> Slot {
    try execute(statement, PostgresParameters(repeat each values))
  }

  mutating func send(
    _ statement: PostgresStatement, _ parameters: PostgresParameters, as kind: Expected
  ) throws(PostgresError) {
    try connection.check(parameters, statement)
    let entry = try entry(for: statement, types: parameters.types)
    guard connection.sendPrepared(entry.serverName, parameters) else {
      throw connection.sendFailure(statement.name)
    }
    expected.append(kind)
  }

  private mutating func entry(
    for statement: PostgresStatement, types: [PostgresType]
  ) throws(PostgresError) -> PreparedStatements.Entry {
    if let entry = try connection.prepared.entry(for: statement, types: types) { return entry }
    if let entry = preparing[statement.name] {
      guard entry.sql == statement.sql, entry.types == types else {
        throw PostgresError(
          .misuse, "one name with two texts or two lists of parameter types",
          statement: statement.name)
      }
      return entry
    }
    let entry = connection.prepared.newEntry(for: statement, types: types)
    guard connection.sendPrepare(entry) else { throw connection.sendFailure(statement.name) }
    preparing[statement.name] = entry
    expected.append(.prepare(statement, entry))
    return entry
  }
}

@available(*, unavailable)
extension PostgresPipeline: Sendable {}

/// The answers to a pipeline, each a result or an error of its own.
public struct PostgresPipelineResults {
  let results: [Result<PostgresResult, PostgresError>]

  public var count: Int { results.count }

  /// The first error, in the order of the statements.
  public var firstFailure: PostgresError? {
    for case .failure(let error) in results { return error }
    return nil
  }

  public func outcome(_ slot: PostgresPipeline.Slot) -> Result<PostgresResult, PostgresError> {
    precondition(slot.index < results.count, "the slot belongs to another pipeline")
    return results[slot.index]
  }

  public func result(_ slot: PostgresPipeline.Slot) throws(PostgresError) -> PostgresResult {
    try outcome(slot).get()
  }

  /// - Parameter index: counted from 0 in the order in which the statements were added.
  public func result(_ index: Int) throws(PostgresError) -> PostgresResult {
    precondition(results.indices.contains(index), "there is no such statement in the pipeline")
    return try results[index].get()
  }
}
