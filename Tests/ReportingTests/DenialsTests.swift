import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

@Suite struct DenialsTests {
  @Test func denialsAreCountedByWhatIsAskedAgainstAllAnswers() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    for number: UInt64 in 1...2 { try await clinic.addImage(number, of: 1) }
    try await clinic.addPaper(1, of: 1, scope: .image(TestClinic.image(1)))
    for _ in 0..<3 { try await clinic.check(TestClinic.request(2)) }
    try await clinic.check(TestClinic.request(1))
    try await clinic.check(TestClinic.request(1, channel: .socialMedia))
    try await clinic.check(TestClinic.request(2, intent: .preview))
    let byReason = try await clinic.reports.denials(DenialsQuery())
    #expect(byReason.rows.map(\.count) == [3, 1])
    #expect(byReason.rows.map(\.key.reason) == [.noAuthorization, .channelNotPermitted])
    #expect(byReason.denials == 4)
    #expect(byReason.answers == 5)
    let byImage = try await clinic.reports.denials(
      DenialsQuery(dimensions: [.image, .channel], withPreviews: true))
    #expect(byImage.rows.first?.key.image == TestClinic.image(2))
    #expect(byImage.rows.first?.key.reason == nil)
    #expect(byImage.answers == 6)
    let only = try await clinic.reports.denials(DenialsQuery(reasons: [.channelNotPermitted]))
    #expect(only.denials == 1 && only.answers == 5)
  }

  @Test func aGroupCountsImageByImage() async throws {
    let clinic = try await TestClinic()
    _ = try await clinic.store.decide(clinic.organization) { reader in
      let decision = Decision(effect: .deny, primary: .partialScope, at: reader.now)
      let images = (1...4).map { TestClinic.image($0) }
      return [
        DecisionEntry(
          caller: "test", limits: CallerLimits(), request: TestClinic.request(1),
          decision: decision, patient: nil,
          group: .init(
            images: images, expectedCount: 4,
            differing: [
              .init(image: images[0], effect: .permit, reason: .authorizationValid),
              .init(image: images[1], effect: .permit, reason: .authorizationValid),
              .init(image: images[2], effect: .deny, reason: .noAuthorization),
              .init(image: images[3], effect: .deny, reason: .noAuthorization),
            ]))
      ]
    }
    let report = try await clinic.reports.denials(DenialsQuery())
    #expect(report.rows.map(\.count) == [2])
    #expect(report.answers == 4)
  }

  /// Pages go on by time; ten decisions at one instant do not fit in a page of three.
  @Test(arguments: [1, 2, 3, 7, 100])
  func everyDecisionIsSeenOnceWhateverThePage(size: Int) async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    for hour: Int64 in 0..<4 {
      clinic.clock.set(TestClinic.hours(hour))
      for _ in 0..<(hour == 2 ? 10 : 2) { try await clinic.check(TestClinic.request(1)) }
    }
    let seen = try await clinic.store.read(clinic.organization) { reader in
      var seen: [DecisionID] = []
      try reader.forEachDecision(DecisionFilter(), pageSize: size) { seen.append($0.id) }
      return seen
    }
    #expect(seen.count == 16)
    #expect(Set(seen).count == 16)
  }
}
