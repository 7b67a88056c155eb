internal import ConsentCore

/// An image key in 128 bits: two SipHashes of its text under keys drawn at random for this process,
/// so that nobody can choose keys that collide; by chance two of a thousand million keys do once in
/// 10^20 registers.
struct ImageDigest: Hashable, Sendable {
  private let high: UInt64
  private let low: UInt64

  private static let keys = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))

  private static let dicom = Array("dicom:".utf8)
  private static let sha256 = Array("sha256:".utf8)

  init(_ key: ImageKey) {
    var text: String
    var (first, second) = (Hasher(), Hasher())
    switch key {
    case .sopInstance(let uid):
      text = uid
      first.combine(Self.keys.0)
      second.combine(Self.keys.1)
    case .sha256(let digits):
      text = digits
      first.combine(~Self.keys.0)
      second.combine(~Self.keys.1)
    }
    text.withUTF8 { bytes in
      unsafe first.combine(bytes: UnsafeRawBufferPointer(bytes))
      unsafe second.combine(bytes: UnsafeRawBufferPointer(bytes))
    }
    high = UInt64(bitPattern: Int64(first.finalize()))
    low = UInt64(bitPattern: Int64(second.finalize()))
  }

  /// The same of a key's text, in UTF-8: `nil` if it is none.
  init?(text: RawSpan) {
    var (first, second) = (Hasher(), Hasher())
    let prefix: Int
    if text.starts(with: Self.dicom) {
      prefix = Self.dicom.count
      first.combine(Self.keys.0)
      second.combine(Self.keys.1)
    } else if text.starts(with: Self.sha256) {
      prefix = Self.sha256.count
      first.combine(~Self.keys.0)
      second.combine(~Self.keys.1)
    } else {
      return nil
    }
    unsafe text.extracting(droppingFirst: prefix).withUnsafeBytes { bytes in
      unsafe first.combine(bytes: bytes)
      unsafe second.combine(bytes: bytes)
    }
    high = UInt64(bitPattern: Int64(first.finalize()))
    low = UInt64(bitPattern: Int64(second.finalize()))
  }

  static func == (a: ImageDigest, b: ImageDigest) -> Bool { a.high == b.high && a.low == b.low }

  func hash(into hasher: inout Hasher) { hasher.combine(low) }

  /// In a table of `mask` + 1 places.
  func place(_ mask: Int) -> Int { Int(truncatingIfNeeded: low) & mask }
}

extension RawSpan {
  fileprivate func starts(with text: [UInt8]) -> Bool {
    guard byteCount >= text.count else { return false }
    for place in text.indices
    where unsafe unsafeLoadUnaligned(fromByteOffset: place, as: UInt8.self) != text[place] {
      return false
    }
    return true
  }
}
