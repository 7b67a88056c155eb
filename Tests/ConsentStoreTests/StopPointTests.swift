import Testing

@testable import ConsentStore

/// The places at which tests from outside end or stop a node.
@Suite struct StopPointTests {
  @Test func aPlanIsReadAndItsTimeComesOnce() throws {
    let plan = try #require(StopPlan("write.locked:stop:3"))
    #expect(plan.point == .writeLocked)
    #expect(!plan.isTime(at: .writeCommitted))
    #expect(
      (1...6).map { _ in plan.isTime(at: .writeLocked) } == [false, false, true] + [
        false, false, false,
      ])
    #expect(try #require(StopPlan("check.entered:kill")).isTime(at: .checkEntered))
    let pause = try #require(StopPlan("check.taken:pause:2"))
    #expect((1...4).map { _ in pause.isTime(at: .checkTaken) } == [true, true, false, false])
  }

  @Test(arguments: ["", "write.locked", "write.locked:wait", "nowhere:kill", "write.locked:kill:0"])
  func whatIsNoPlanDoesNothing(text: String) {
    #expect(StopPlan(text) == nil)
  }
}
