/// What every fuzz target shares: an input to take pieces from, and properties that must hold.

/// Bytes of the fuzzer, taken from the front.
struct FuzzInput {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The next byte; 0 when nothing is left.
  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func take(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  /// Cuts what is left into pieces whose lengths are taken from its first bytes.
  mutating func pieces() -> [[UInt8]] {
    let cuts = take(Int(byte() % 8)).map { Int($0) }
    var pieces = cuts.map { take($0) }
    pieces.append(take(rest.count))
    return pieces
  }
}

/// Ends the process, which the fuzzer reports together with the input that did it.
func expect(_ holds: Bool, _ property: @autoclosure () -> String) {
  if !holds { fatalError("property broken: \(property())") }
}

func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
