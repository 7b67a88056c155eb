import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Foundation
import Postgres

// Makes the register that `ops/bench ledger` asks about, in an embedded cluster that consentd can
// open afterwards: bench-register FOLDER IMAGES SEED KEYS-FILE PATIENTS-FILE
//
// The changes are made by the same code that serves RegisterPatient, RegisterImages and
// RecordInstrument and go through the store, many to a transaction, so feed, chain and rows are what
// the service writes. Demographics are sealed for the first 2,000 patients only: no check reads them.

/// One transaction of the import.
struct Portion: Sendable {
  var changes: [Change]
  var identities: [(patient: PatientID, record: RecordID)]
}

struct Import {
  static let organization = OrganizationSettings(
    id: ID(high: 0x0f7d_5a52_6d1c_4f7a, low: 0x9d5e_2d7f_5f2f_1000), name: "Hospital 1000",
    timeZone: "America/Chicago")
  static let imagesInTransaction = 10_000
  static let identified = 2_000

  let images: Int
  var dice: Dice
  var keys = ""
  var patients = ""
  private var made = 0
  private var patientsMade = 0

  init(images: Int, seed: UInt64) {
    self.images = images
    dice = Dice(seed: seed)
  }

  /// `nil` when all images are made.
  mutating func next(now: Instant) throws -> Portion? {
    guard made < images else { return nil }
    let today = LocalDay(daysSince1970: Int32(now.microseconds / .microsecondsPerDay))
    let clock = CommandClock(now: now, today: today)
    var portion = Portion(changes: [], identities: [])
    let until = min(images, made + Self.imagesInTransaction)
    while made < until {
      let patient = BenchPatient(
        firstImage: made, limit: until - made, now: now, today: today, dice: &dice)
      let changes = try patient.changes(clock: clock, dice: &dice)
      portion.changes += changes
      if patientsMade < Self.identified, let record = changes.first?.records.first?.record {
        portion.identities.append((patient.id, record.id))
        if patient.isPermitted, let grant = patient.paper?.grants.first,
          let image = patient.images.first
        {
          patients += "\(patient.id) \(grant.id) \(image.key.text)\n"
        }
      }
      let effect = patient.isPermitted ? " 1\n" : " 2\n"
      for offset in patient.images.indices { keys += BenchPatient.uid(made + offset) + effect }
      made += patient.images.count
      patientsMade += 1
    }
    return portion
  }

  /// One unknown image in a hundred questions.
  mutating func addUnknown() {
    for number in 0..<max(1, images / 100) {
      keys += BenchPatient.uid(1_000_000_000 + number) + " 2\n"
    }
  }
}

extension [Change] {
  /// All of them as one.
  var joined: Change {
    var whole = Change()
    for change in self {
      let offset = whole.events.count
      whole.events += change.events
      whole.records += change.records.map { ($0.record, $0.event + offset) }
      whole.ends += change.ends
    }
    return whole
  }
}

func masterKey(_ path: String) throws -> [UInt8] {
  let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
  let text = bytes.map { byte in
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
  }.joined()
  guard
    FileManager.default.createFile(
      atPath: path, contents: Data((text + "\n").utf8), attributes: [.posixPermissions: 0o600])
  else { throw CocoaError(.fileWriteUnknown) }
  return bytes
}

func run() async throws {
  let arguments = CommandLine.arguments
  guard arguments.count == 6, let images = Int(arguments[2]), images > 0,
    let seed = UInt64(arguments[3])
  else {
    FileHandle.standardError.write(
      Data("usage: bench-register FOLDER IMAGES SEED KEYS-FILE PATIENTS-FILE\n".utf8))
    exit(2)
  }
  let server = try await EmbeddedPostgres.start(directory: arguments[1]) { line in
    FileHandle.standardError.write(Data("bench-register: \(line)\n".utf8))
  }
  // VACUUM of ten million images takes minutes.
  let administrator = PostgresConfiguration(
    conninfo: server.conninfo(), applicationName: "bench-register", responseTimeout: .seconds(3_600)
  )
  try Migrator().migrate(administrator)
  let password = "\(UInt64.random(in: 0...(.max)))\(UInt64.random(in: 0...(.max)))"
  try ServerLogin.setPassword(password, administrator)
  let store = try await PostgresConsentStore.open(
    PostgresConfiguration(
      conninfo: server.conninfo(user: ServerLogin.role, password: password),
      applicationName: "bench-register"),
    clock: SystemWallClock(),
    options: .init(masterKeys: [try masterKey(arguments[1] + "/master.key")]))
  try await store.createOrganization(Import.organization)

  var register = Import(images: images, seed: seed)
  while let portion = try register.next(now: SystemWallClock().now()) {
    _ = try await store.write(Import.organization.id, by: "bench-register", key: nil) { writer in
      try writer.append(portion.changes.joined)
      for (patient, record) in portion.identities {
        try writer.put(
          identity: PatientIdentity(
            displayName: "Bench Person", birthDate: BenchPatient.bornOn,
            identifiers: [Identifier(system: "urn:bench:mrn", value: patient.description)]),
          of: patient, record: record)
      }
      return []
    }
  }
  register.addUnknown()
  try register.keys.write(toFile: arguments[4], atomically: true, encoding: .utf8)
  try register.patients.write(toFile: arguments[5], atomically: true, encoding: .utf8)
  await store.close()
  let connection = try PostgresConnection(administrator)
  // An automatic vacuum may be at work: it gives way to this one after a moment.
  try connection.execute(script: "SET lock_timeout = 0")
  try connection.execute(script: "VACUUM (FREEZE, ANALYZE)")
  try connection.execute(script: "CHECKPOINT")
  try await server.stop(timeout: .seconds(120))
}

do {
  try await run()
} catch {
  FileHandle.standardError.write(Data("bench-register: \(error)\n".utf8))
  exit(1)
}
