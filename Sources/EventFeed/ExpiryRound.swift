internal import ConsentCore
internal import ConsentStore

/// One round for one organization: survey, look ahead without a lock, then append under the lock
/// in slices.
///
/// INVARIANT (I4): what is appended was found missing under the organization's lock, in the same
/// transaction; ends go into the store's `grant_end`, whose key is the grant version. So it does not
/// matter how many nodes run a round at the same time, or where one was broken off.
struct ExpiryRound: Sendable {
  let store: any ConsentStore
  let clock: any FeedClock
  let configuration: ExpiryConfiguration
  let organization: OrganizationID
  let at: Instant
  let due: DueQuestion

  /// - Returns: what was done, and the progress to begin the next round with.
  /// - Throws: when the store cannot be used now; what was committed before stays.
  func run(
    since progress: ExpiryProgress?, _ outcome: inout ExpiryOutcome
  ) async throws -> ExpiryProgress {
    let survey = try await store.read(organization) { [at, configuration] reader in
      try ExpirySurvey(reader, at: at, since: progress, rowsPerPage: configuration.rowsPerPage)
    }
    outcome.next = survey.next
    var failed: Set<PatientID> = []
    if try await hasOrganizationWork() {
      try await append([nil], &outcome, &failed)
    }
    let patients = survey.patients.sorted()
    for page in patients.chunks(of: configuration.patientsPerPage) {
      let busy = try await patientsWithWork(page, &failed)
      try await append(busy, &outcome, &failed)
    }
    outcome.failedPatients = failed.count
    return ExpiryProgress(
      seen: survey.seen, scanned: at, terms: survey.terms, failed: failed)
  }

  private func hasOrganizationWork() async throws -> Bool {
    try await store.read(organization) { [at, due] reader in
      try due(reader, at, nil) != nil
    }
  }

  // MARK: Without a lock

  private func patientsWithWork(
    _ patients: ArraySlice<PatientID>, _ failed: inout Set<PatientID>
  ) async throws -> [PatientID?] {
    do {
      return try await busy(Array(patients))
    } catch let error where error.concernsOnePatient {
      // One unreadable record must not keep the others waiting.
      var found: [PatientID?] = []
      for patient in patients {
        do {
          found += try await busy([patient])
        } catch let error where error.concernsOnePatient {
          failed.insert(patient)
        }
      }
      return found
    }
  }

  private func busy(_ patients: [PatientID]) async throws -> [PatientID?] {
    try await store.read(organization) { [at, due] reader in
      try patients.filter { try due(reader, at, $0) != nil }
    }
  }

  // MARK: Under the lock

  /// - Parameter subjects: patients, or `nil` for what concerns the whole organization.
  private func append(
    _ subjects: [PatientID?], _ outcome: inout ExpiryOutcome, _ failed: inout Set<PatientID>
  ) async throws {
    var rest = subjects[...]
    while let first = rest.first {
      // Only the slice that follows another one waits: a single end is not delayed.
      if outcome.slices > 0, configuration.pauseMicroseconds > 0 {
        try await clock.sleep(microseconds: configuration.pauseMicroseconds)
      }
      let slice = Array(rest.prefix(configuration.patientsPerSlice))
      do {
        rest.removeFirst(try await write(slice, &outcome))
      } catch let error where error.concernsOnePatient {
        // The slice was rolled back whole; its first goes alone, so that the one is found.
        do {
          _ = try await write([first], &outcome)
        } catch let error where error.concernsOnePatient {
          if let first { failed.insert(first) }
        }
        rest.removeFirst()
      }
    }
  }

  /// - Returns: how many of `subjects` are done, at least one.
  private func write(
    _ subjects: [PatientID?], _ outcome: inout ExpiryOutcome
  ) async throws -> Int {
    let receipt = try await store.write(organization, by: configuration.caller, key: nil) {
      [at, clock, configuration, due] writer in
      let start = clock.uptime()
      var reply = SliceReply()
      for subject in subjects {
        if reply.patients > 0, clock.uptime() - start >= configuration.lockMicroseconds { break }
        if let change = try due(writer, at, subject) {
          try writer.append(change)
          reply.count(change, at: at)
        }
        reply.patients += 1
      }
      reply.heldMicroseconds = clock.uptime() - start
      return reply.bytes
    }
    guard let reply = SliceReply(bytes: receipt.reply) else {
      throw StoreError.unreadable("reply of an expiry transaction")
    }
    outcome.slices += 1
    outcome.longestSliceMicroseconds = max(
      outcome.longestSliceMicroseconds, reply.heldMicroseconds)
    outcome.lagMicroseconds = max(outcome.lagMicroseconds, reply.lagMicroseconds)
    outcome.emitted.merge(reply.emitted, uniquingKeysWith: +)
    return min(max(1, reply.patients), subjects.count)
  }
}

/// What is due and untold at an instant, of a patient or (`nil`) of the organization as a whole.
typealias DueQuestion =
  @Sendable (_ reader: any FactReader, _ at: Instant, _ patient: PatientID?) throws -> Change?

extension Error {
  /// Not the store's state but what is recorded of somebody is the cause: others can go on.
  fileprivate var concernsOnePatient: Bool {
    switch self {
    case is CancellationError: false
    case let error as StoreError:
      switch error {
      case .unavailable, .overloaded, .unknownOrganization, .idempotencyConflict: false
      case .duplicateEvent, .grantEnded, .unreadable: true
      }
    default: true
    }
  }
}

extension Array {
  fileprivate func chunks(of size: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: count, by: size).map { self[$0..<Swift.min(count, $0 + size)] }
  }
}
