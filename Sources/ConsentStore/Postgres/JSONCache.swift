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
    guard let json else { return nil }
    var hasher = Hasher()
    unsafe json.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    let hash = hasher.finalize()
    for entry in known[hash] ?? [] where Self.isEqual(json, entry.json) { return entry.value }
    if count >= Self.limit {
      known = [:]
      count = 0
    }
    let value: Value? = PostgresJSON(postgres: json).flatMap { RecordBody.decode($0.utf8) }
    let bytes = unsafe json.withUnsafeBytes { unsafe [UInt8]($0) }
    known[hash, default: []].append((bytes, value))
    count += 1
    return value
  }

  private static func isEqual(_ json: RawSpan, _ known: [UInt8]) -> Bool {
    guard json.byteCount == known.count else { return false }
    return unsafe json.withUnsafeBytes { unsafe $0.elementsEqual(known) }
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
