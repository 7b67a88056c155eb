import Checking
import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Foundation
import Postgres
import ProofLog
import Synchronization

// What a check costs below the wire: facts in memory, decision, batch, log. On a register that
// `bench-register` made, with N questions in flight, and the CPU time of this process and of
// PostgreSQL for each.
//
// Usage: bench-checks FOLDER KEYS-FILE [--seconds S] [--flight N] [--rounds R]

let organization = OrganizationID(high: 0x0f7d_5a52_6d1c_4f7a, low: 0x9d5e_2d7f_5f2f_1000)

let limits = CallerLimits()

/// The question of `ops/bench ledger`, for each image of the register in turn.
func entry(_ image: ImageKey, in reader: any FactReader) throws -> DecisionEntry {
  let request = CheckRequest(
    image: image, use: .education, audience: .external, channel: .publication,
    actor: Actor(
      user: Identifier(system: "urn:bench:staff", value: "jdoe"), role: .clinician,
      relationship: .careTeam),
    recipient: Party(
      kind: .venue, identifier: Identifier(system: "urn:issn", value: "1234-5678")))
  let facts = try reader.imageCase(image)

  return DecisionEntry(
    caller: "bench", limits: limits, request: request,
    decision: decide(
      request, caller: limits, on: facts, position: reader.head.position, at: reader.now),
    patient: facts.latestPatient)
}

/// Ticks of CPU time of a process and of all that it started.
func ticks(of root: Int32, andDescendants: Bool) -> Int {
  var parents: [Int32: Int32] = [:]
  var used: [Int32: Int] = [:]
  for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
    guard let process = Int32(name),
      let text = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")")
    else { continue }
    let fields = text[text.index(end, offsetBy: 2)...].split(separator: " ")
    guard fields.count > 12, let parent = Int32(fields[1]), let user = Int(fields[11]),
      let system = Int(fields[12])
    else { continue }
    parents[process] = parent
    used[process] = user + system
  }
  func isBelow(_ process: Int32) -> Bool {
    var next = process
    while next != root, let parent = parents[next], parent != 0 { next = parent }
    return next == root
  }
  return used.reduce(0) { sum, entry in
    entry.key == root || (andDescendants && isBelow(entry.key)) ? sum + entry.value : sum
  }
}

/// Bytes of this process that are in memory.
func residentBytes() -> Int {
  let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
    .split(separator: " ").dropFirst().first.flatMap { Int($0) }
  return (pages ?? 0) * sysconf(Int32(_SC_PAGESIZE))
}

func argument(_ name: String) -> Int? {
  let arguments = CommandLine.arguments
  guard let at = arguments.firstIndex(of: name), at + 1 < arguments.count else { return nil }
  return Int(arguments[at + 1])
}

guard CommandLine.arguments.count >= 3 else {
  FileHandle.standardError.write(
    Data("usage: bench-checks FOLDER KEYS-FILE [--seconds S] [--flight N] [--rounds R]\n".utf8))
  exit(2)
}
let folder = CommandLine.arguments[1]
let keys = try String(contentsOfFile: CommandLine.arguments[2], encoding: .utf8)
  .split(separator: "\n")
  .compactMap { $0.split(separator: " ").first.flatMap { ImageKey(sopInstanceUID: String($0)) } }
  .shuffled()
let flight = argument("--flight") ?? 256
let seconds = argument("--seconds") ?? 5

let server = try await EmbeddedPostgres.start(directory: folder) { _ in }
let administrator = PostgresConfiguration(
  conninfo: server.conninfo(), applicationName: "bench-checks")
try Migrator().migrate(administrator)
let password = "\(UInt64.random(in: 0...(.max)))\(UInt64.random(in: 0...(.max)))"
try ServerLogin.setPassword(password, administrator)
let master = try String(contentsOfFile: folder + "/master.key", encoding: .utf8).utf8
  .compactMap { Character(UnicodeScalar($0)).hexDigitValue }
let store = try await PostgresConsentStore.open(
  PostgresConfiguration(
    conninfo: server.conninfo(user: ServerLogin.role, password: password),
    applicationName: "bench-checks"),
  clock: SystemWallClock(),
  options: .init(
    masterKeys: [stride(from: 0, to: 64, by: 2).map { UInt8(master[$0] << 4 | master[$0 + 1]) }],
    logSigner: try LogSigner(keyFile: LogSigner.newKey(name: "bench") ?? "")))

let loaded = Atomic(false)
let batches = Atomic(0)
let checker = Checker(
  store: store, clock: SystemWallClock(),
  options: .init(indexedImages: 20_000_000),
  report: { report in
    switch report {
    case .preloaded: loaded.store(true, ordering: .relaxed)
    case .logged: batches.wrappingAdd(1, ordering: .relaxed)
    default: break
    }
  })
let clock = ContinuousClock()
let empty = residentBytes()
let began = clock.now
checker.preload([organization])
while !loaded.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(5)) }
let took = clock.now - began
let images = checker.state(of: organization).images
print(
  "memory \(residentBytes() >> 20) MiB, \((residentBytes() - empty) / max(1, images)) bytes an image"
)
print("loaded \(checker.state(of: organization).images) images in \(took)")

/// Asks one question after the other; tells how many were answered.
func ask(from first: Int, until end: ContinuousClock.Instant) -> Task<Int, any Error> {
  Task.detached { [keys, checker, clock] in
    var done = 0
    var next = first
    while clock.now < end {
      let image = keys[next]
      next = (next + 1) % keys.count
      _ = try await checker.decide(organization, images: [image]) { [try entry(image, in: $0)] }
      done += 1
    }
    return done
  }
}

for _ in 0..<(argument("--rounds") ?? 3) {
  let own = ticks(of: getpid(), andDescendants: false)
  let database = ticks(of: server.postmasterPID, andDescendants: true)
  let batchesBefore = batches.load(ordering: .relaxed)
  let start = clock.now
  let end = start + .seconds(seconds)
  var count = 0
  for asker in (0..<flight).map({ ask(from: $0 * keys.count / flight, until: end) }) {
    count += try await asker.value
  }
  let time =
    Double((clock.now - start).components.seconds)
    + Double((clock.now - start).components.attoseconds) / 1e18
  func each(_ ticks: Int) -> String {
    String(
      format: "%.2f", Double(ticks) * 1e6 / Double(sysconf(Int32(_SC_CLK_TCK))) / Double(count))
  }
  let made = batches.load(ordering: .relaxed) - batchesBefore
  print(
    "\(Int(Double(count) / time)) checks/s, \(count / max(1, made)) a batch; "
      + "CPU µs a check: \(each(ticks(of: getpid(), andDescendants: false) - own)) here, "
      + "\(each(ticks(of: server.postmasterPID, andDescendants: true) - database)) PostgreSQL")
}
await store.close()
try await server.stop()
