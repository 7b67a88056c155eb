import ConsentCore
import Testing

@testable import ConsentStore

/// Records stored by their differences come back bit by bit; other bytes are refused.
@Suite struct DeltaFormTests {
  static let seed = UInt64.random(in: 0...UInt64.max)

  /// A batch as it is encoded, with a plain copy of each record.
  private struct Batch {
    var form = CanonicalBytes()
    var ranges: [Range<Int>] = []
    var records: [[UInt8]] { ranges.map { Array(form.bytes[$0]) } }

    mutating func add(_ record: LogRecord) {
      let start = form.beginSized()
      LogRecord.append(
        to: &form, entry: record.entry, id: record.id, head: record.head,
        organization: record.organization)
      _ = form.endSized(start)
      ranges.append(start + PackedRecords.lengthBytes..<form.bytes.count)
    }

    func encoded() -> [UInt8]? { DeltaEncoder.encode(form, records: ranges) }
  }

  /// Records that have more or less in common, numbered as the leaves of a log.
  private static func batch(_ g: inout SeededGenerator, count: Int? = nil) -> Batch {
    var batch = Batch()
    var kinds = (0..<Int.random(in: 1...4, using: &g)).map { _ in RandomRecord.record(using: &g) }
    let first = Int.random(in: 0...3, using: &g) > 0 ? g.next() >> 1 : UInt64.max - 3
    for offset in 0..<(count ?? Int.random(in: 1...40, using: &g)) {
      let kind = Int.random(in: kinds.indices, using: &g)
      var record = kinds[kind]
      let other = RandomRecord.record(using: &g)
      switch Int.random(in: 0...9, using: &g) {
      case 0: record.entry = other.entry
      case 1: record.entry.request = other.entry.request
      case 2: record.entry.decision = other.entry.decision
      case 3: record.entry.group = other.entry.group
      case 4: record.head = other.head
      default: record.entry.request.image = other.entry.request.image
      }
      record.entry.patient = Bool.random(using: &g) ? random() : record.entry.patient
      record.id.leaf = first &+ UInt64(offset)
      batch.add(record)
      if Bool.random(using: &g) { kinds[kind] = record }
    }
    return batch
  }

  @Test func recordsComeBackBitByBit() throws {
    var g = SeededGenerator(seed: Self.seed)
    var encoded = 0
    for _ in 0..<300 {
      let batch = Self.batch(&g)
      let records = batch.records
      guard let bytes = batch.encoded() else { continue }
      encoded += 1
      #expect(bytes.first == DeltaForm.mark)
      let read = try #require(PackedRecords.split(bytes, count: records.count), "seed \(Self.seed)")
      let isSame = read.map { Array($0) } == records
      #expect(isSame, "seed \(Self.seed)")
      // As far as it is wanted, and as many as there are.
      let wanted = Int.random(in: 0...records.count, using: &g)
      let some = DeltaDecoder.decode(bytes, count: records.count, wanted: wanted)
      let isBeginning = some?.map { Array($0) } == Array(records.prefix(wanted))
      #expect(isBeginning, "seed \(Self.seed)")
      let isOther =
        DeltaDecoder.decode(bytes, count: records.count + 1) == nil
        && DeltaDecoder.decode(bytes, count: records.count - 1) == nil
      #expect(isOther, "seed \(Self.seed)")
    }
    #expect(encoded > 200, "seed \(Self.seed)")
  }

  /// A record that stands alone, and such as are not numbered one after the other.
  @Test func whatHasNothingInCommonIsStoredPlainly() throws {
    var g = SeededGenerator(seed: Self.seed)
    let one = Self.batch(&g, count: 1)
    #expect(one.encoded() == nil)
    var gap = Batch()
    for leaf: UInt64 in [4, 5, 7] {
      var record = LogRecordTests.full
      record.id.leaf = leaf
      gap.add(record)
    }
    #expect(gap.encoded() == nil)
    #expect(PackedRecords.split(gap.form.bytes, count: 3)?.map { Array($0) } == gap.records)
    #expect(DeltaEncoder.encode(CanonicalBytes(), records: []) == nil)
  }

  /// As a check's are: they differ in image, paper, grant and patient.
  @Test func recordsOfChecksTakeAFifth() throws {
    var batch = Batch()
    for leaf in 0..<100 {
      var record = LogRecordTests.full
      record.id.leaf = UInt64(leaf)
      record.entry.group = nil
      record.entry.request.image = Build.key(leaf)
      record.entry.decision.records[0].record.id = random()
      record.entry.decision.records[0].grant = random()
      record.entry.patient = random()
      batch.add(record)
    }
    let bytes = try #require(batch.encoded())
    #expect(bytes.count < batch.form.bytes.count / 5)
    #expect(bytes.count < 100 * (3 * 16 + 10) + 400)
  }

  /// However it is cut or changed: refused, or other records of which the hashes will tell.
  @Test func noBytesTrap() throws {
    var g = SeededGenerator(seed: Self.seed)
    for _ in 0..<200 {
      let batch = Self.batch(&g)
      guard let bytes = batch.encoded() else { continue }
      let count = batch.ranges.count
      for _ in 0..<20 {
        let length = Int.random(in: 0..<bytes.count, using: &g)
        let isRefused =
          DeltaDecoder.decode(Array(bytes.prefix(length)), count: count) == nil
          && DeltaDecoder.decode(bytes + [0], count: count) == nil
        #expect(isRefused, "seed \(Self.seed)")
        var changed = bytes
        for _ in 0..<Int.random(in: 1...4, using: &g) {
          changed[Int.random(in: changed.indices, using: &g)] = UInt8(truncatingIfNeeded: g.next())
        }
        let read = PackedRecords.split(changed, count: count)
        if let read { #expect(read.count == count) }
        // Bytes of an administrator's own: any length, with a likely beginning.
        var own = Array(bytes.prefix(Int.random(in: 0...12, using: &g)))
        own += (0..<Int.random(in: 0...60, using: &g)).map { _ in
          UInt8(truncatingIfNeeded: g.next() >> UInt64.random(in: 0...7, using: &g))
        }
        _ = PackedRecords.split(own, count: Int.random(in: 0...9, using: &g))
      }
    }
  }

  /// Few bytes do not ask for much memory, and not for much work either.
  @Test func whatBytesAskForIsBounded() {
    // 0x81, a total beyond the limit; a number; no record.
    let large: [UInt8] = [0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F] + [UInt8](repeating: 0, count: 8)
    #expect(DeltaDecoder.decode(large, count: 0) == nil)
    // Records of pieces without bytes.
    let hollow: [UInt8] =
      [0x81, 0x80, 0x80, 0x80, 0x10] + [UInt8](repeating: 0, count: 8) + [0xFE, 0x03]
      + [UInt8](repeating: 0, count: 64) + [UInt8](repeating: 0xFF, count: 1_000)
    #expect(DeltaDecoder.decode(hollow, count: 500) == nil)
    #expect(DeltaDecoder.decode([], count: 0) == nil)
    #expect(DeltaDecoder.decode([0x81], count: 0) == nil)
  }
}
