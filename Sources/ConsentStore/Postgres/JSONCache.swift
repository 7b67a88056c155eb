internal import ConsentCore
internal import Postgres

/// JSON that many rows repeat, read once: reading it takes some ten times what the rest of a row
/// does.
struct JSONCache<Value: Decodable> {
  private var known: [Int: [(json: [UInt8], value: Value?)]] = [:]
  private var count = 0
  private static var limit: Int { 16_384 }

  /// - Parameter json: the binary form of `jsonb`; or `nil`, for NULL.
  /// - Returns: `nil` when this version cannot read it.
  mutating func value(_ json: RawSpan?) -> Value? {
    guard let json, let bytes = PostgresJSON(postgres: json)?.utf8 else { return nil }
    var hasher = Hasher()
    hasher.combine(bytes)
    let hash = hasher.finalize()
    if let known = known[hash]?.first(where: { $0.json == bytes }) { return known.value }
    if count >= Self.limit {
      known = [:]
      count = 0
    }
    let value: Value? = RecordBody.decode(bytes)
    known[hash, default: []].append((bytes, value))
    count += 1
    return value
  }
}

/// An instrument's body without what its columns say.
struct PaperBody: Decodable {
  var kind: InstrumentKind
  var form: Form.Reference?
  var statements: Statements
  var signer: Signer
  var isSigned: Bool
  var compoundParts: [UInt8]
  var conditionedParts: [UInt8]
  var copyGiven: Bool?
  var defects: [Defect]

  /// What the columns say, and the grants, which have rows of their own.
  static let inColumns = [
    "id", "patient", "informationDescription", "signed", "receivedDay", "received",
    "documentSHA256", "grants", "stamp",
  ]
}
