// swift-tools-version: 6.2
import PackageDescription

/// What every target of ours is held to. Warnings are errors, so that none is ever left.
let tested: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]
/// Product code also marks every unsafe call, so that a search for `unsafe` lists the risky lines.
let strict = tested + [.strictMemorySafety()]

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// The migrations, embedded in the binary; a test compares this list with the folder.
let migrations = ["0001_consent"]

let package = Package(
  name: "consentd",
  products: [
    .executable(name: "consentd", targets: ["consentd"]),
    .executable(name: "consentctl", targets: ["consentctl"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
    .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    // C, each imported by one Swift target only.
    .systemLibrary(
      name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),

    // Pure.
    .target(name: "ConsentCore", swiftSettings: strict),
    .target(name: "RPCWire", swiftSettings: strict),

    // Wire.
    .target(name: "HTTP2", dependencies: ["CNghttp2", nio], swiftSettings: strict),
    .target(
      name: "RPCServer",
      dependencies: ["HTTP2", "RPCWire", nio, nioPosix, nioHTTP1, nioSSL, protobuf, logging],
      swiftSettings: strict),
    .target(
      name: "RPCClient",
      dependencies: ["HTTP2", "RPCWire", nio, nioPosix, nioSSL, protobuf],
      swiftSettings: strict),
    .target(name: "ConsentProto", dependencies: [protobuf]),

    // Store.
    .target(name: "Postgres", dependencies: ["CLibpq"], swiftSettings: strict),
    .target(name: "EmbeddedPostgres", dependencies: ["Postgres"], swiftSettings: strict),
    .target(
      name: "ConsentStore", dependencies: ["ConsentCore", "Postgres", crypto],
      resources: migrations.map { .embedInCode("../../Schema/\($0).sql") },
      swiftSettings: strict),

    // Service.
    .target(
      name: "EventFeed", dependencies: ["ConsentStore", "ConsentCore"], swiftSettings: strict),
    .target(
      name: "Reporting", dependencies: ["ConsentStore", "ConsentCore"], swiftSettings: strict),
    .target(
      name: "ConsentServer",
      dependencies: [
        "ConsentCore", "ConsentProto", "ConsentStore", "EventFeed", "Reporting", "RPCServer",
        protobuf, logging, crypto,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "consentd",
      dependencies: ["ConsentServer", "ConsentStore", "EmbeddedPostgres", arguments, logging],
      swiftSettings: strict),
    .executableTarget(
      name: "consentctl",
      dependencies: ["ConsentProto", "RPCClient", arguments, yams],
      swiftSettings: strict),

    // Tests.
    .testTarget(name: "ConsentCoreTests", dependencies: ["ConsentCore"], swiftSettings: tested),
  ],
  swiftLanguageModes: [.v6]
)
