import Foundation
import Testing

/// SwiftPM does not hold the layers: a target can import whatever another dependency brings in.
/// This test does.
@Suite struct LayeringTests {
  /// What each target may import. Arrows point down only.
  static let allowed: [String: Set<String>] = [
    "ConsentCore": [],
    "ProofLog": ["Crypto"],
    "RPCWire": [],
    "HTTP2": ["CNghttp2", "NIOCore"],
    "Gzip": ["CZlib"],
    "RPCServer": [
      "HTTP2", "RPCWire", "Gzip", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL", "NIOTLS",
      "SwiftProtobuf", "Logging", "Synchronization", "FoundationEssentials", "Glibc",
      "Dispatch",
    ],
    "RPCClient": [
      "HTTP2", "RPCWire", "NIOCore", "NIOPosix", "NIOSSL", "SwiftProtobuf",
      "Synchronization",
    ],
    "ConsentProto": ["SwiftProtobuf", "Foundation"],
    "Postgres": ["CLibpq", "Glibc", "Synchronization", "Foundation"],
    "EmbeddedPostgres": ["Postgres", "Glibc", "Foundation", "Dispatch", "Synchronization"],
    "ConsentStore": [
      "ConsentCore", "Postgres", "ProofLog", "Crypto", "Foundation", "Synchronization",
    ],
    "Checking": ["ConsentStore", "ConsentCore", "Synchronization"],
    "EventFeed": ["ConsentStore", "ConsentCore", "Synchronization"],
    "Reporting": ["ConsentStore", "ConsentCore"],
    "ConsentServer": [
      "Checking", "ConsentCore", "ConsentProto", "ConsentStore", "EventFeed", "ProofLog",
      "Reporting", "RPCServer", "RPCWire", "SwiftProtobuf", "Logging", "Crypto", "Foundation",
      "Synchronization", "X509", "SwiftASN1", "JWTKit",
    ],
    "consentd": [
      "Checking", "ConsentServer", "ConsentStore", "ConsentCore", "EventFeed", "EmbeddedPostgres",
      "Postgres", "ProofLog",
      "RPCServer", "ArgumentParser", "Logging", "Foundation", "Synchronization", "Dispatch",
      "Crypto",
    ],
    "wire-echo": [
      "Gzip", "RPCClient", "RPCServer", "RPCWire", "NIOSSL", "SwiftProtobuf", "Logging",
      "Foundation",
      "Synchronization",
      "Dispatch", "Glibc",
    ],
    "bench-writes": [
      "ConsentCore", "ConsentProto", "ConsentStore", "EmbeddedPostgres", "Postgres", "RPCClient",
      "SwiftProtobuf", "Foundation", "Synchronization",
    ],
    "bench-register": [
      "ConsentCore", "ConsentStore", "EmbeddedPostgres", "Postgres", "Foundation",
    ],
    "bench-checks": [
      "Checking", "ConsentCore", "ConsentStore", "EmbeddedPostgres", "Postgres", "ProofLog",
      "Foundation", "Synchronization",
    ],
    "consentctl": [
      "ConsentProto", "RPCClient", "RPCWire", "SwiftProtobuf", "ArgumentParser", "Yams",
      "Foundation", "Crypto", "ConsentCore", "ConsentStore", "Postgres", "ProofLog", "NIOCore",
      "NIOPosix", "NIOSSL", "X509", "SwiftASN1",
    ],
  ]

  @Test func everyImportIsAllowed() {
    for (target, allowed) in LayeringTests.allowed {
      for file in SourceTree.swiftFiles(below: "Sources/" + target) {
        for module in SourceTree.imports(in: file.text) where !allowed.contains(module) {
          Issue.record("\(file.path) imports \(module), which \(target) may not")
        }
      }
    }
  }

  @Test func everySwiftTargetIsInTheTable() throws {
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: SourceTree.root.appendingPathComponent("Sources").path)
    for folder in folders where !SourceTree.swiftFiles(below: "Sources/" + folder).isEmpty {
      #expect(LayeringTests.allowed[folder] != nil, "\(folder) is not in the table of layers")
    }
  }

  @Test func cModulesHaveOneDoor() {
    for folder in ["Sources", "Tests"] {
      for file in SourceTree.swiftFiles(below: folder) {
        for module in SourceTree.imports(in: file.text) {
          switch module {
          case "CNghttp2": #expect(file.path.hasPrefix("Sources/HTTP2/"), "\(file.path)")
          case "CZlib": #expect(file.path.hasPrefix("Sources/Gzip/"), "\(file.path)")
          case "CLibpq": #expect(file.path.hasPrefix("Sources/Postgres/"), "\(file.path)")
          default: break
          }
        }
      }
    }
  }

  @Test(arguments: [
    ("import Foundation", ["Foundation"]), ("public import NIOCore", ["NIOCore"]),
    ("@testable import HTTP2", ["HTTP2"]), ("import struct Foundation.Data", ["Foundation"]),
    ("// import Nothing", []), ("let text = \"import Nothing\"", []),
  ])
  func importsAreRead(line: String, modules: [String]) {
    #expect(SourceTree.imports(in: line) == modules)
  }
}
