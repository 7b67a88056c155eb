internal import ConsentCore
internal import Postgres

/// One value of one row to be inserted.
enum Cell {
  case uuid(PostgresUUID?)
  case text(String?)
  case int2(Int16?)
  case int4(Int32?)
  case int8(Int64?)
  case bool(Bool?)
  case day(LocalDay?)
  case instant(Instant?)
  case bytes([UInt8]?)
  case json([UInt8]?)

  static func id<Subject>(_ id: ID<Subject>?) -> Cell {
    .uuid(id.map { PostgresUUID(high: $0.high, low: $0.low) })
  }

  static func number(_ value: some BinaryInteger) -> Cell { .int4(Int32(clamping: value)) }

  static func code(_ value: some RawRepresentable<UInt8>) -> Cell { .int2(Int16(value.rawValue)) }

  static func set<Element>(_ set: ClosedSet<Element>?) -> Cell {
    .int4(set.map { Int32(bitPattern: $0.bits) })
  }
}

/// The columns of a table in the order in which rows are given.
struct Table {
  var name: String
  var columns: [(name: String, type: String)]

  init(_ name: String, _ columns: KeyValuePairs<String, String>) {
    self.name = name
    self.columns = [("organization_id", "uuid")] + columns.map { ($0.key, $0.value) }
  }

  var columnList: String { columns.map(\.name).joined(separator: ", ") }
}

/// Rows for one table, inserted by one statement whatever their number.
struct RowSet {
  let table: Table
  private let organization: Cell
  private(set) var rows: [[Cell]] = []

  /// Above this many rows they travel by COPY: it needs no second copy of all of them in memory.
  static let copyThreshold = 1_024

  init(_ table: Table, organization: OrganizationID) {
    self.table = table
    self.organization = .id(organization)
  }

  mutating func add(_ cells: Cell...) {
    precondition(cells.count + 1 == table.columns.count, "a cell for each column")
    rows.append([organization] + cells)
  }

  /// Rows of the same table.
  mutating func add(contentsOf other: RowSet) { rows += other.rows }

  /// INSERT … SELECT from one array a column.
  func insert(into pipeline: inout PostgresPipeline) throws {
    guard !rows.isEmpty else { return }
    let arrays = table.columns.enumerated().map { "$\($0 + 1)::\($1.type)[]" }
    let sql =
      "INSERT INTO \(table.name) (\(table.columnList)) SELECT * FROM unnest("
      + arrays.joined(separator: ", ") + ")"
    var parameters = PostgresParameters()
    for column in table.columns.indices { append(column: column, to: &parameters) }
    try pipeline.execute(PostgresStatement(name: "insert_\(table.name)", sql: sql), parameters)
  }

  /// COPY into a temporary table and INSERT from there: COPY into a table with row security is
  /// refused by PostgreSQL.
  func copy(_ connection: PostgresConnection) throws {
    let temporary = "pg_temp.copied_\(table.name)"
    try connection.execute(
      script: "CREATE TEMPORARY TABLE IF NOT EXISTS copied_\(table.name) "
        + "(LIKE consentd.\(table.name)) ON COMMIT DROP; TRUNCATE \(temporary)",
      name: "copied_\(table.name)")
    try connection.copyIn(
      PostgresStatement(
        name: "copy_\(table.name)",
        sql: "COPY \(temporary) (\(table.columnList)) FROM STDIN (FORMAT binary)")
    ) { writer in
      var parameters = PostgresParameters()
      for row in rows {
        parameters.removeAll()
        for cell in row { cell.append(to: &parameters) }
        try writer.write(parameters)
      }
    }
    try connection.execute(
      script: "INSERT INTO \(table.name) (\(table.columnList)) "
        + "SELECT \(table.columnList) FROM \(temporary)",
      name: "insert_copied_\(table.name)")
  }

  private func append(column: Int, to parameters: inout PostgresParameters) {
    func array<Value: PostgresScalar>(_ value: (Cell) -> Value?) {
      parameters.append(array: rows.map { value($0[column]) })
    }
    // The first row's case is every row's: a column has one type.
    switch rows[0][column] {
    case .uuid: array { if case .uuid(let value) = $0 { value } else { nil } }
    case .text: array { if case .text(let value) = $0 { value } else { nil } }
    case .int2: array { if case .int2(let value) = $0 { value } else { nil } }
    case .int4: array { if case .int4(let value) = $0 { value } else { nil } }
    case .int8: array { if case .int8(let value) = $0 { value } else { nil } }
    case .bool: array { if case .bool(let value) = $0 { value } else { nil } }
    case .day: array { if case .day(let value) = $0 { value } else { nil } }
    case .instant: array { if case .instant(let value) = $0 { value } else { nil } }
    case .bytes: array { if case .bytes(let value) = $0 { value } else { nil } }
    case .json:
      array { if case .json(let value) = $0 { value.map { PostgresJSON(utf8: $0) } } else { nil } }
    }
  }
}

extension Cell {
  fileprivate func append(to parameters: inout PostgresParameters) {
    switch self {
    case .uuid(let value): parameters.append(value)
    case .text(let value): parameters.append(value)
    case .int2(let value): parameters.append(value)
    case .int4(let value): parameters.append(value)
    case .int8(let value): parameters.append(value)
    case .bool(let value): parameters.append(value)
    case .day(let value): parameters.append(value)
    case .instant(let value): parameters.append(value)
    case .bytes(let value): parameters.append(value)
    case .json(let value): parameters.append(value.map { PostgresJSON(utf8: $0) })
    }
  }
}
