import Foundation

/// Medians over the rounds, one line for each way and count of writers.
struct ResultTable {
  private struct Place: Hashable {
    var way: Way
    var writers: Int
  }

  private struct Figures {
    var rate: Double
    var p50: Double
    var p99: Double
  }

  private var rounds: [Place: [Figures]] = [:]

  /// - Parameter latencies: microseconds.
  mutating func add(_ latencies: [Double], _ way: Way, writers: Int, seconds: Double) {
    let sorted = latencies.sorted()
    guard !sorted.isEmpty else { return }
    func at(_ share: Double) -> Double {
      sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }
    rounds[Place(way: way, writers: writers), default: []].append(
      Figures(rate: Double(sorted.count) / seconds, p50: at(0.5), p99: at(0.99)))
  }

  func text(writers: [Int]) -> String {
    var lines = [
      "| writers | way | a second | p50 ms | p99 ms | p99 of plain |", "|---|---|---|---|---|---|",
    ]
    for count in writers {
      let plain = median(.plain, count) { $0.p99 }
      for way in Way.allCases {
        let p99 = median(way, count) { $0.p99 }
        let cells = [
          "\(count)", way.rawValue, number(median(way, count) { $0.rate }, "%.0f"),
          number(median(way, count) { $0.p50 / 1_000 }, "%.2f"), number(p99 / 1_000, "%.2f"),
          number(p99 / plain, "%.2f") + "x",
        ]
        lines.append("| " + cells.joined(separator: " | ") + " |")
      }
    }
    return lines.joined(separator: "\n")
  }

  private func median(_ way: Way, _ writers: Int, _ value: (Figures) -> Double) -> Double {
    let values = (rounds[Place(way: way, writers: writers)] ?? []).map(value).sorted()
    return values.isEmpty ? .nan : values[values.count / 2]
  }

  private func number(_ value: Double, _ format: String) -> String {
    String(format: format, value)
  }
}
