import Testing

@testable import ConsentStore

@Suite struct ServerRequirementsTests {
  private static let good = ServerRequirements(
    version: 150_018, bypassesRowSecurity: false,
    state: ServerState(
      isInRecovery: false, readOnly: "off", fsync: "on", fullPageWrites: "on",
      synchronousCommit: "on"))

  @Test func aDurablePrimaryIsAccepted() {
    #expect(Self.good.problem == nil)
    var replicated = Self.good
    replicated.state.synchronousCommit = "remote_apply"
    #expect(replicated.problem == nil)
  }

  @Test func eachThingThatWouldLoseOrLeakIsRefused() {
    let faults: [(inout ServerRequirements) -> Void] = [
      { $0.version = 149_999 }, { $0.bypassesRowSecurity = true }, { $0.state.fsync = "off" },
      { $0.state.fullPageWrites = "off" }, { $0.state.isInRecovery = true },
      { $0.state.readOnly = "on" }, { $0.state.synchronousCommit = "off" },
      { $0.state.synchronousCommit = "local" }, { $0.state.synchronousCommit = "remote_write" },
    ]
    var problems: Set<String> = []
    for fault in faults {
      var found = Self.good
      fault(&found)
      #expect(found.problem != nil)
      problems.insert(found.problem ?? "")
    }
    // Each names itself; the three of synchronous_commit are one.
    #expect(problems.count == 7)
  }
}
