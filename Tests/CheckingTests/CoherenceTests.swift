import ConsentCore
import ConsentStore
import Testing

@testable import Checking

/// Several nodes on one database.
@Suite(.fewAtOnce) struct CoherenceTests {
  @Test(arguments: Backend.allCases)
  func nothingRevokedIsPermittedOnAnyNodeAfterwards(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let nodes = [clinic.node(), clinic.node()]
    let patient = try await clinic.patient()
    let images = [try await clinic.image(0, of: patient), try await clinic.image(1, of: patient)]
    for step in 0..<12 {
      let paper = try await clinic.paper(of: patient)
      for node in nodes { #expect(try await node.ask(images[step % 2]).effect == .permit) }
      let revoked = try await clinic.revoke(paper)
      try await withThrowingTaskGroup(of: LoggedDecision.self) { group in
        for number in 0..<8 {
          group.addTask { try await nodes[number % 2].ask(images[number / 4]) }
        }
        for try await logged in group {
          #expect(logged.effect == .deny)
          #expect(logged.head.position >= revoked)
        }
      }
    }
  }

  @Test(arguments: Backend.allCases)
  func aNodeThatIsFarBehindCatchesUp(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let paper = try await clinic.paper(of: patient)
    let node = clinic.node()
    #expect(try await node.ask(image).effect == .permit)
    for _ in 0..<6 {
      try await clinic.bench.append(
        Change(
          events: (0..<400).map { _ in
            let other: PatientID = random()
            return Build.event(.patientCorrected, patient: other)
          }))
    }
    try await clinic.revoke(paper)
    let logged = try await node.ask(image)
    #expect(logged.effect == .deny)
    #expect(logged.head == (try await clinic.head()))
    #expect(node.checker.state(of: clinic.organization).position == logged.head.position)
  }

  /// Random changes and questions on two nodes at once, of every record kind: each logged decision
  /// is what the facts at its position say, and no older than what was acknowledged before it.
  @Test(arguments: Backend.allCases, [UInt64.random(in: 0...(.max)), 11])
  func randomRegistersAreAnsweredAsTheDatabaseWould(backend: Backend, seed: UInt64) async throws {
    print("seed \(seed)")
    let clinic = try await Clinic(backend)
    let nodes = [
      clinic.node(), clinic.node(options: Checker.Options(indexedImages: 5)),
    ]
    var register = RandomRegister(seed: seed)
    var merges: [ID<PatientMerge>: PatientID] = [:]
    func named(_ change: Change) -> Change { self.named(change, &merges) }
    var generator = SeededGenerator(seed: seed ^ 0xC0FFEE)
    for step in 0..<60 {
      if step % 11 == 0 { clinic.bench.clock.move(hours: 1) }
      let change = named(register.next(now: clinic.bench.clock.now()))
      let acknowledged = try await clinic.bench.append(change).last ?? 0
      let known = try await clinic.head()
      #expect(known.position >= acknowledged)
      // The whole register is read anew beside the questions.
      if step % 7 == 3 { for node in nodes { node.checker.preload([clinic.organization]) } }
      let asked = (0..<4).compactMap { _ in register.keys.randomElement(using: &generator) }
      let concurrent = register.next(now: clinic.bench.clock.now())
      let told = named(concurrent)
      async let written = clinic.bench.append(told)
      let logged = try await withThrowingTaskGroup(of: LoggedDecision.self) { group in
        for (number, key) in asked.enumerated() {
          group.addTask { try await nodes[number % 2].ask(key) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      _ = try? await written
      for logged in logged {
        #expect(logged.head.position >= known.factPosition, "seed \(seed), step \(step)")
        #expect(logged.entry.decision.at >= logged.head.known)
        #expect(
          try await clinic.again(logged) == logged.entry.decision, "seed \(seed), step \(step)")
      }
    }
    for node in nodes { #expect(node.store.counts.decisions == 0) }
  }

  /// Tells of a change as the service does: with the image's key, and the patient of a paper.
  private func named(
    _ change: Change, _ merges: inout [ID<PatientMerge>: PatientID]
  ) -> Change {
    var change = change
    for (record, event) in change.records {
      switch record {
      case .image(let image):
        change.events[event].images = [image.key]
        change.events[event].patient = image.patient
      case .determination(let determination): change.events[event].images = [determination.image]
      case .instrument(let paper): change.events[event].patient = paper.patient
      case .patient(let patient): change.events[event].patient = patient.id
      case .merge(let merge):
        change.events[event].patient = merge.survivor
        merges[merge.id] = merge.survivor
      case .unmerge(let unmerge): change.events[event].patient = merges[unmerge.merge]
      default: break
      }
    }
    return change
  }
}
