internal import ConsentCore
internal import ConsentStore

/// What one snapshot says of some images, with its head and the feed up to it.
struct FactFill: Sendable {
  var settings: OrganizationSettings
  var head: FeedHead
  /// From the position that the index had reached up to the head.
  var rows: [FeedRow]
  /// The feed no longer holds what the index had reached.
  var isOfNewHistory: Bool
  /// The organization's own records.
  var rules: Facts
  var parts: [FactPart]
  /// Everybody whom a merge that was not settled yet concerns, and whom one in `rows` does.
  var joined: Set<PatientID>
  var identifiers: [Identifier: [PatientID]]
  /// The head as it was at the positions asked for, as far as they have been reached.
  var heads: [UInt64: FeedHead] = [:]

  /// What is to be read.
  struct Wanted: Sendable {
    var images: [ImageKey] = []
    /// All images registered for them.
    var patients: [PatientID] = []
    var identifiers: [Identifier] = []
    var positions: Set<UInt64> = []
    /// Patients of whom a row said that others were merged with them, and not who.
    var survivors: Set<PatientID> = []
  }

  /// A node that is further behind than this reads no rows: it begins anew.
  static let longestCatchUp = 100_000

  /// - Parameter applied: how far the index has come; the rows after it are read too.
  init(_ wanted: Wanted, after applied: FeedHead?, in reader: any FactReader) throws {
    settings = reader.organization
    head = reader.head
    (rows, isOfNewHistory) = try Self.follow(applied, in: reader)
    var facts =
      try wanted.patients.isEmpty
      ? reader.facts(images: wanted.images, asOf: nil)
      : reader.facts(patients: wanted.patients, asOf: nil)
    facts.position = head.position
    let split = FactSplit(facts)
    rules = split.rules
    joined = try Self.joined(
      with: wanted.survivors.union(rows.compactMap { RowReach($0.event).survivor }), in: reader)
    parts = wanted.patients.isEmpty ? split.parts(wanted.images) : split.parts(split.keys)
    identifiers = [:]
    for identifier in wanted.identifiers {
      identifiers[identifier] = try reader.patients(identifiedBy: identifier)
    }
    for position in wanted.positions { heads[position] = try reader.head(at: position) }
  }

  /// All who were ever merged with `survivors`.
  private static func joined(
    with survivors: Set<PatientID>, in reader: any FactReader
  ) throws -> Set<PatientID> {
    guard !survivors.isEmpty else { return [] }
    let merges = try reader.facts(patients: survivors.sorted(), asOf: nil).merges
    return survivors.union(merges.flatMap { [$0.survivor, $0.merged] })
  }

  /// The rows after `applied`, page by page, up to the reader's head.
  static func follow(
    _ applied: FeedHead?, in reader: any FactReader
  ) throws -> (rows: [FeedRow], isOfNewHistory: Bool) {
    guard let applied else { return ([], true) }
    if applied.position == reader.head.position {
      return ([], applied.chain != reader.head.chain)
    }
    guard try reader.head(at: applied.position)?.chain == applied.chain else { return ([], true) }
    var rows: [FeedRow] = []
    var last = applied.position
    while last < reader.head.position {
      let page = try reader.feed(after: last, limit: FeedFollowing.limit)
      guard let end = page.last else { throw StoreError.unreadable("the feed has a gap") }
      rows += page
      last = end.position
      guard rows.count <= longestCatchUp else { return ([], true) }
    }
    return (rows, false)
  }
}
