import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Foundation
import Postgres

// What a revocation costs beside a commit of one row, on one PostgreSQL, in one run: each count of
// writers is measured three ways in turn, and every round anew.
//
// Usage: bench-writes [--seconds S] [--rounds R]
//        bench-writes wire …, see `OverTheWire`

if CommandLine.arguments.dropFirst().first == "wire" {
  let words = Array(CommandLine.arguments.dropFirst(2))
  let pairs = stride(from: 0, to: words.count - 1, by: 2).map { (words[$0], words[$0 + 1]) }
  print(try await OverTheWire.run(Dictionary(pairs) { $1 }))
  exit(0)
}

let seconds = argument("--seconds") ?? 3
let rounds = argument("--rounds") ?? 3
let writers = [1, 8, 64]

let cluster = try await TemporaryPostgres.start(settings: [("max_connections", "200")])
do {
  let bench = try await Bench(cluster)
  var table = ResultTable()
  for round in 1...max(1, rounds) {
    for count in writers {
      for way in round.isMultiple(of: 2) ? Way.allCases.reversed() : Way.allCases {
        let before = (Processor.ofThisProcess(), Processor.ofChildren())
        let latencies = try await bench.run(way, writers: count, for: .seconds(seconds))
        let (here, database) = (
          Processor.ofThisProcess() - before.0, Processor.ofChildren() - before.1
        )
        let each = 1_000 / Double(max(1, latencies.count))
        FileHandle.standardError.write(
          Data(
            String(
              format:
                "  CPU a change, preparing the register included: %.2f ms here, %.2f ms of PostgreSQL\n",
              here * each, database * each
            ).utf8))
        table.add(latencies, way, writers: count, seconds: Double(seconds))
        FileHandle.standardError.write(
          Data("  round \(round) \(count) writers, \(way.rawValue): \(latencies.count)\n".utf8))
      }
    }
  }
  print(table.text(writers: writers))
} catch {
  try? await cluster.remove()
  throw error
}
try await cluster.remove()

func argument(_ name: String) -> Int? {
  let arguments = CommandLine.arguments
  guard let at = arguments.firstIndex(of: name), at + 1 < arguments.count else { return nil }
  return Int(arguments[at + 1])
}
