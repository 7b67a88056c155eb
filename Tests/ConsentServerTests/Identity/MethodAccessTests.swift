import ConsentCore
import ConsentProto
import RPCServer
import SwiftProtobuf
import Testing

@testable import ConsentServer

struct MethodAccessTests {
  private func declared() throws -> Set<String> {
    var paths: Set<String> = []
    for file in try DescriptorSet.files() where file.package == "consent.v1" {
      for service in file.service {
        for method in service.method { paths.insert("/consent.v1.\(service.name)/\(method.name)") }
      }
    }
    return paths
  }

  @Test func everyMethodOfTheDescriptorsHasItsRoles() throws {
    let declared = try declared()
    #expect(declared.count > 50)
    #expect(Set(MethodAccess.roles.keys) == declared)
    for (path, roles) in MethodAccess.roles { #expect(!roles.isEmpty, "\(path)") }
  }

  @Test func everyMethodOfTheDescriptorsIsInTheMethodTableOnce() async throws {
    let desk = try await RecordDesk()
    let served = desk.service.methods.map(\.info.path)
    #expect(Set(served) == (try declared()))
    #expect(served.count == Set(served).count)
  }

  @Test func whatIsNotInTheTableIsDenied() {
    let everybody = Principal(
      name: "all", organization: RecordDesk.organization, roles: Set(Role.allCases))
    #expect(!MethodAccess.allows(everybody, path: "/consent.v1.CheckService/Other"))
    #expect(!MethodAccess.isOpen(path: "/consent.v1.CheckService/Check"))
  }

  @Test func aRoleOpensItsOwnMethodsOnly() {
    let checker = Principal(name: "c", organization: RecordDesk.organization, roles: [.checker])
    #expect(MethodAccess.allows(checker, path: "/consent.v1.CheckService/Check"))
    #expect(!MethodAccess.allows(checker, path: "/consent.v1.RecordService/Revoke"))
    #expect(!MethodAccess.allows(checker, path: "/consent.v1.AuditService/GetDecision"))
    let nobody = Principal(name: "n", organization: RecordDesk.organization, roles: [])
    for path in MethodAccess.roles.keys { #expect(!MethodAccess.allows(nobody, path: path)) }
  }
}
