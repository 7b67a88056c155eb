import Testing

@testable import ConsentStore

@Suite struct ServerRequirementsTests {
  private static let good = ServerRequirements(
    version: 150_018, fsync: "on", fullPageWrites: "on", isInRecovery: false,
    bypassesRowSecurity: false)

  @Test func aDurablePrimaryIsAccepted() { #expect(Self.good.problem == nil) }

  @Test func eachThingThatWouldLoseOrLeakIsRefused() {
    let faults: [(inout ServerRequirements) -> Void] = [
      { $0.version = 149_999 }, { $0.fsync = "off" }, { $0.fullPageWrites = "off" },
      { $0.isInRecovery = true }, { $0.bypassesRowSecurity = true },
    ]
    for fault in faults {
      var found = Self.good
      fault(&found)
      #expect(found.problem != nil)
    }
  }
}
