internal import ConsentCore

/// What a logged decision is found by, read off its record's bytes without making objects of the
/// rest: the record is read once for every decision there is, and asked for once in thousands.
struct LogRecordFields {
  var organization: OrganizationID
  var id: DecisionID
  var at: Instant
  var position: UInt64
  var isPermit: Bool
  var isUse: Bool

  /// - Parameter keys: gets what the decision is found by, see `DecisionFilter.lookups`.
  /// - Returns: `nil` unless the bytes have the form of a record. That they are the record that was
  ///   logged only its hash tells. Never traps.
  init?(_ bytes: Span<UInt8>, keys: inout [LookupKey]) {
    var reader = FieldReader(end: bytes.count)
    do throws(CanonicalReader.Malformed) {
      try self.init(&reader, bytes, &keys)
    } catch {
      return nil
    }
    guard reader.isAtEnd else { return nil }
  }

  private init(
    _ reader: inout FieldReader, _ bytes: Span<UInt8>, _ keys: inout [LookupKey]
  ) throws(CanonicalReader.Malformed) {
    guard try reader.byte(bytes) == LogRecord.version, try reader.byte(bytes) == LogRecord.kind
    else { throw CanonicalReader.Malformed() }
    organization = try reader.id(bytes)
    id = DecisionID(log: try reader.id(bytes), leaf: try reader.integer(bytes))
    // Of the head: position, chain, known and fact position.
    try reader.skip(8 + 32 + 8 + 8)
    // The caller and its limits.
    try reader.skipText(bytes)
    try reader.skip(3 * 4 + 1)

    let image = try reader.image(bytes)
    // Use, audience, channel.
    try reader.skip(3)
    var actor: Range<Int>?
    if try reader.flag(bytes) {
      actor = try reader.identifier(bytes)
      try reader.skip(1)
      try reader.skipOptionalText(bytes)
      try reader.skip(1)
      try reader.skipIdentifiers(bytes)
    }
    if try reader.flag(bytes) { try reader.skipParty(bytes) }
    isUse = try reader.byte(bytes) == Intent.use.rawValue
    try reader.skipOptionalID(bytes)
    for _ in 0..<4 { try reader.skipOptionalText(bytes) }
    if try reader.flag(bytes) {
      _ = try reader.identifier(bytes)
      try reader.skipText(bytes)
      try reader.skip(8)
    }

    isPermit = try reader.byte(bytes) == Effect.permit.rawValue
    keys.append(LookupKey(reason: try reader.integer(bytes)))
    try reader.skip(2 * reader.count(bytes))
    for _ in 0..<(try reader.count(bytes)) {
      let isBasis = try reader.byte(bytes) == DecidingRecord.Part.basis.rawValue
      // The record's kind and id.
      try reader.skip(1 + 16)
      if try reader.flag(bytes) {
        let grant: GrantID = try reader.id(bytes)
        if isBasis, isPermit { keys.append(LookupKey(grant)) }
      }
      _ = try reader.varint(bytes)
      try reader.skip(2)
      try reader.skip(reader.count(bytes))
      try reader.skip(1)
    }
    for _ in 0..<(try reader.count(bytes)) {
      if try reader.byte(bytes) == Obligation.reviewWithinCode { _ = try reader.varint(bytes) }
    }
    _ = try reader.varint(bytes)
    if try reader.flag(bytes) { try reader.skip(8) }
    at = Instant(microseconds: try reader.integer(bytes))
    position = try reader.integer(bytes)
    _ = try reader.varint(bytes)

    if try reader.flag(bytes) { keys.append(LookupKey(try reader.id(bytes) as PatientID)) }
    if let actor { keys.append(LookupKey(actor: bytes.extracting(actor))) }
    guard try reader.flag(bytes) else {
      keys.append(LookupKey(image: bytes.extracting(image)))
      return
    }
    for _ in 0..<(try reader.count(bytes)) {
      keys.append(LookupKey(image: bytes.extracting(try reader.image(bytes))))
    }
    if try reader.flag(bytes) { _ = try reader.varint(bytes) }
    for _ in 0..<(try reader.count(bytes)) {
      _ = try reader.image(bytes)
      try reader.skip(1 + 2)
    }
  }
}

/// `CanonicalReader` for bytes that it does not hold.
private struct FieldReader {
  typealias Malformed = CanonicalReader.Malformed

  private var position = 0
  private let end: Int

  init(end: Int) { self.end = end }

  var isAtEnd: Bool { position == end }

  mutating func skip(_ count: Int) throws(Malformed) {
    guard count >= 0, count <= end - position else { throw Malformed() }
    position += count
  }

  mutating func byte(_ bytes: Span<UInt8>) throws(Malformed) -> UInt8 {
    guard position < end else { throw Malformed() }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func flag(_ bytes: Span<UInt8>) throws(Malformed) -> Bool {
    switch try byte(bytes) {
    case 0: false
    case 1: true
    default: throw Malformed()
    }
  }

  mutating func integer<Value: FixedWidthInteger>(
    _ bytes: Span<UInt8>
  ) throws(Malformed) -> Value {
    let start = position
    try skip(Value.bitWidth / 8)
    var value: Value = 0
    for index in start..<position {
      value = value << 8 | Value(truncatingIfNeeded: bytes[index])
    }
    return value
  }

  mutating func id<Subject>(_ bytes: Span<UInt8>) throws(Malformed) -> ID<Subject> {
    ID(high: try integer(bytes), low: try integer(bytes))
  }

  mutating func varint(_ bytes: Span<UInt8>) throws(Malformed) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      let byte = try byte(bytes)
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    throw Malformed()
  }

  /// As of a list: no more than bytes are left.
  mutating func count(_ bytes: Span<UInt8>) throws(Malformed) -> Int {
    guard let count = Int(exactly: try varint(bytes)), count <= end - position else {
      throw Malformed()
    }
    return count
  }

  mutating func skipText(_ bytes: Span<UInt8>) throws(Malformed) {
    try skip(count(bytes))
  }

  mutating func skipOptionalText(_ bytes: Span<UInt8>) throws(Malformed) {
    let value = try varint(bytes)
    guard value > 0 else { return }
    guard let count = Int(exactly: value - 1) else { throw Malformed() }
    try skip(count)
  }

  mutating func skipOptionalID(_ bytes: Span<UInt8>) throws(Malformed) {
    if try flag(bytes) { try skip(16) }
  }

  /// - Returns: where it is, with its kind in front.
  mutating func image(_ bytes: Span<UInt8>) throws(Malformed) -> Range<Int> {
    let start = position
    try skip(1)
    try skipText(bytes)
    return start..<position
  }

  mutating func identifier(_ bytes: Span<UInt8>) throws(Malformed) -> Range<Int> {
    let start = position
    try skipText(bytes)
    try skipText(bytes)
    return start..<position
  }

  mutating func skipIdentifiers(_ bytes: Span<UInt8>) throws(Malformed) {
    for _ in 0..<(try count(bytes)) { _ = try identifier(bytes) }
  }

  mutating func skipParty(_ bytes: Span<UInt8>) throws(Malformed) {
    try skip(1)
    if try flag(bytes) { _ = try identifier(bytes) }
    try skipOptionalText(bytes)
    try skipOptionalText(bytes)
    try skipIdentifiers(bytes)
  }
}
