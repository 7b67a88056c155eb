import Gzip
import Testing

@Suite struct GzipTests {
  private let zeros = [UInt8](repeating: 0, count: 100_000)

  private func packed() throws -> [UInt8] { try #require(Gzip.deflate(zeros)) }

  /// The last four bytes replaced.
  private func claiming(_ size: Int) throws -> [UInt8] {
    try packed().dropLast(4) + (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
  }

  @Test func whatIsClaimedIsKnownBeforeItIsMade() throws {
    #expect(Gzip.claimedSize(of: try packed()) == 100_000)
    #expect(try Gzip.inflate(packed(), limit: 100_000) == zeros)
    #expect(throws: GzipError.tooLarge) { try Gzip.inflate(packed(), limit: 99_999) }
  }

  @Test(arguments: [0, 1, 99_999, 100_001, 101_000])
  func aFalseClaimIsDamage(size: Int) throws {
    #expect(throws: GzipError.corrupt) { try Gzip.inflate(claiming(size), limit: 1 << 20) }
  }

  /// Or a few bytes would have memory of gigabytes set aside.
  @Test func aClaimBeyondWhatDeflateCanPackIsDamage() throws {
    let bytes = try claiming(1 << 30)
    #expect(Gzip.claimedSize(of: bytes) == nil)
    #expect(throws: GzipError.corrupt) { try Gzip.inflate(bytes, limit: .max) }
  }

  @Test func whatIsCutShortOrFollowedIsDamage() throws {
    let bytes = try packed()
    for end in 0..<bytes.count {
      #expect(throws: GzipError.self) { try Gzip.inflate(Array(bytes[..<end]), limit: 1 << 20) }
    }
    #expect(throws: GzipError.corrupt) { try Gzip.inflate(bytes + bytes, limit: 1 << 20) }
    #expect(throws: GzipError.corrupt) { try Gzip.inflate([], limit: 1 << 20) }
  }

  @Test func anEmptyMessageComesBack() throws {
    // gzip of nothing, as zlib writes it.
    let bytes: [UInt8] = [
      0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    #expect(try Gzip.inflate(bytes, limit: 0) == [])
  }
}
