/// Writes the Prometheus text exposition format 0.0.4: each metric family once, with its help and
/// type before its samples.
struct PrometheusText {
  enum Kind: String {
    case counter, gauge, histogram
  }

  private(set) var lines: [String] = []

  var text: String { lines.joined(separator: "\n") + "\n" }

  /// Begins a family; its samples follow before the next one.
  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    lines.append("# HELP \(name) \(Self.escaped(help, quotes: false))")
    lines.append("# TYPE \(name) \(kind.rawValue)")
  }

  mutating func sample(_ name: String, _ labels: [(String, String)], _ value: String) {
    let inside = labels.map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
    lines.append(
      name + (inside.isEmpty ? "" : "{" + inside.joined(separator: ",") + "}") + " " + value)
  }

  /// A family of one sample.
  mutating func one(_ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger) {
    family(name, kind, help)
    sample(name, [], "\(value)")
  }

  mutating func histogram(
    _ name: String, _ own: [(String, String)], _ histogram: Histogram
  ) {
    var below: UInt64 = 0
    for (bound, bucket) in zip(histogram.bounds, histogram.buckets) {
      below &+= bucket
      sample(name + "_bucket", own + [("le", "\(bound)")], "\(below)")
    }
    sample(name + "_bucket", own + [("le", "+Inf")], "\(histogram.count)")
    sample(name + "_sum", own, "\(histogram.sum)")
    sample(name + "_count", own, "\(histogram.count)")
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }
}

/// Counts of observations by size.
struct Histogram {
  /// Latency from 0.1 ms to 10 s.
  static let seconds = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10,
  ]

  /// Of batches, from one to the most that share one.
  static let sizes: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

  let bounds: [Double]
  private(set) var buckets: [UInt64]
  private(set) var count: UInt64 = 0
  private(set) var sum = 0.0

  init(bounds: [Double] = Histogram.seconds) {
    self.bounds = bounds
    buckets = [UInt64](repeating: 0, count: bounds.count)
  }

  mutating func add(nanoseconds: UInt64) { add(Double(nanoseconds) / 1_000_000_000) }

  mutating func add(_ value: Double) {
    count &+= 1
    sum += value
    if let index = bounds.firstIndex(where: { value <= $0 }) { buckets[index] &+= 1 }
  }
}
