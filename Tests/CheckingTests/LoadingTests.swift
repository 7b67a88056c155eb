import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import Checking

/// A register that is read as a whole is what is read of each of its images.
@Suite(.fewAtOnce) struct LoadingTests {
  /// Waits until the node has read the register.
  private func load(_ node: Node, _ ended: Latch) async {
    node.checker.preload([node.clinic.organization])
    await ended.wait()
  }

  private func node(
    _ clinic: Clinic, _ mutant: CheckingMutant? = nil,
    options: Checker.Options = Checker.Options(), _ ended: Latch
  ) -> Node {
    clinic.node(mutant, options: options) { report in
      if case .preloaded = report { Task { await ended.open() } }
    }
  }

  @Test(arguments: Backend.allCases, [UInt64.random(in: 0...(.max)), 7])
  func everyImageHasTheFactsReadForItAlone(backend: Backend, seed: UInt64) async throws {
    print("seed \(seed)")
    let bench = try await backend.open()
    var register = RandomRegister(seed: seed)
    for _ in 0..<150 { _ = try? await bench.append(register.next(now: bench.clock.now())) }
    let keys = register.keys
    let (loaded, alone) = try await bench.store.readWhole(bench.organization) { reader in
      (
        try LoadedRegister(into: FactIndex(limit: 10_000), after: nil, in: reader),
        try keys.map { try reader.imageCase($0) }
      )
    }
    var index = loaded.index
    #expect(loaded.isWhole)
    var held = 0
    for (key, expected) in zip(keys, alone) {
      guard let own = index.imageCase(key) else { continue }
      held += 1
      #expect(own.latestPatient == expected.latestPatient, "seed \(seed)")
      var (mine, theirs) = (own.facts, expected.facts)
      // Of a plain image a row keeps what decisions read; forms of the organization are not read.
      if mine.images.count == 1, mine.images[0].stamp == .unstamped {
        #expect(theirs.images.count == 1)
        mine.images = []
        theirs.images = []
      }
      #expect(mine.records == theirs.records, "seed \(seed), \(key.text)")
      #expect(Set(mine.unevaluable) == Set(theirs.unevaluable))
      #expect(mine.organizationHoldsPart2 == theirs.organizationHoldsPart2)
      let (a, b) = (decided(key, own, bench), decided(key, expected, bench))
      #expect(a == b, "seed \(seed), \(key.text)")
    }
    // Only images of patients who are not registered may be left to be read when asked for.
    #expect(held > keys.count / 2, "seed \(seed): \(held) of \(keys.count)")
  }

  private func decided(_ key: ImageKey, _ image: ImageCase, _ bench: Bench) -> Decision {
    decide(
      question(key), caller: CallerLimits(), on: image, position: 1, at: bench.clock.now())
  }

  /// A patient of each kind that is packed, back from its bytes.
  @Test(arguments: [UInt64.random(in: 0...(.max)), 9])
  func packedFactsComeBack(seed: UInt64) async throws {
    print("seed \(seed)")
    let bench = try await Backend.memory.open()
    var register = RandomRegister(seed: seed)
    for _ in 0..<300 { _ = try? await bench.append(register.next(now: bench.clock.now())) }
    let patients = register.patients
    var forms = PaperForms()
    var packed = 0
    for patient in patients {
      let facts = try await bench.read { try $0.facts(patients: [patient], asOf: nil) }
      var own = Facts()
      own.patients = facts.patients.filter { $0.id == patient }
      own.instruments = facts.instruments.filter { $0.patient == patient }
      own.revocations = facts.revocations.filter { $0.patient == patient }
      let written = forms.pack(own, of: patient)
      let bytes = try #require(written)
      packed += bytes.count
      let back = try #require(forms.unpack(bytes, of: patient), "seed \(seed)")
      #expect(back.patients == own.patients)
      #expect(back.instruments == own.instruments)
      #expect(back.revocations == own.revocations)
      // Cut short anywhere, the bytes do not read or say less; nothing traps.
      for count in 0..<bytes.count { _ = forms.unpack(Array(bytes[..<count]), of: patient) }
    }
    #expect(packed > 0)
  }

  /// While the register is read, a paper is revoked and the index follows: what was read before
  /// must not come back with it.
  @Test(arguments: [nil, CheckingMutant.fillWithoutPosition])
  func aChangeThatPassedWhileTheRegisterWasReadStands(mutant: CheckingMutant?) async throws {
    let clinic = try await Clinic(.postgres)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    let image = try await clinic.image(0, of: one)
    let elsewhere = try await clinic.image(1, of: other)
    let paper = try await clinic.paper(of: one)
    let (isRead, gate, ended) = (Latch(), Latch(), Latch())
    let node = node(clinic, mutant, ended)
    node.store.hooks.afterWhole = {
      await isRead.open()
      await gate.wait()
    }
    node.checker.preload([clinic.organization])
    await isRead.wait()
    // Questions are answered meanwhile.
    #expect(try await node.ask(image).effect == .permit)
    try await clinic.revoke(paper)
    #expect(try await node.ask(elsewhere).effect == .deny)
    #expect(try await node.ask(image).effect == .deny)
    await gate.open()
    await ended.wait()
    #expect(
      node.checker.state(of: clinic.organization).position == (try await clinic.head()).position)
    let logged = try await node.ask(image)
    #expect((logged.effect == .permit) == (mutant != nil))
  }

  @Test(arguments: Backend.allCases)
  func aLargerRegisterIsReadInPart(backend: Backend) async throws {
    let clinic = try await Clinic(backend)
    for number in 0..<40 {
      let patient = try await clinic.patient()
      try await clinic.image(number, of: patient)
      _ = try await clinic.paper(of: patient)
    }
    let isWhole = Mutex(true)
    let ended = Latch()
    let node = clinic.node(options: Checker.Options(indexedImages: 10)) { report in
      if case .preloaded(_, let images, let whole) = report {
        #expect(images <= 10)
        isWhole.withLock { $0 = whole }
        Task { await ended.open() }
      }
    }
    await load(node, ended)
    #expect(isWhole.withLock { !$0 })
    for number in 0..<40 { #expect(try await node.ask(Build.key(number)).effect == .permit) }
    #expect(node.checker.state(of: clinic.organization).images <= 10)
  }

  /// A grant that this version cannot read restricts its patient, as when it is read alone.
  @Test func whatDoesNotReadIsReadAsFacts() async throws {
    let clinic = try await Clinic(.postgres)
    var papers: [Instrument] = []
    for number in 0..<3 {
      let patient = try await clinic.patient()
      try await clinic.image(number, of: patient)
      papers.append(try await clinic.paper(of: patient))
    }
    try await TestDatabase.shared.value.run(
      "UPDATE consentd.consent_grant SET uses = 1 << 30 WHERE grant_id = "
        + "'\(papers[0].grants[0].id)'; UPDATE consentd.instrument SET body = body - 'signer' "
        + "WHERE instrument_id = '\(papers[1].id)'")
    let ended = Latch()
    let node = node(clinic, nil, ended)
    await load(node, ended)
    let reads = node.store.counts.reads
    for number in 0..<3 {
      let logged = try await node.ask(Build.key(number))
      #expect((logged.effect == .permit) == (number == 2))
      #expect(try await clinic.again(logged) == logged.entry.decision)
    }
    #expect(node.store.counts.reads == reads)
  }
}
