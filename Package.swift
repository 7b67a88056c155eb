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

/// The wire's inner loop. Swift's run-time check that a class's variable is not read while it is
/// being changed costs a fifth of a call there; debug builds, and so all tests, keep it.
let wire =
  strict + [
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
  ]

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let jwt = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// The migrations, embedded in the binary; a test compares this list with the folder.
let migrations = [
  "0001_roles", "0002_feed", "0003_records", "0004_identity", "0005_work", "0006_decision_log",
  "0007_row_security", "0008_proof_log", "0009_decision_lookup",
  "0010_disclosure", "0011_log_compression", "0012_decision_runs", "0013_closed_logs",
  "0014_activity_logs",
  "0015_records_by_their_differences",
]

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
    .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
    .package(url: "https://github.com/vapor/jwt-kit", exact: "5.7.1"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    // C, each imported by one Swift target only.
    .systemLibrary(
      name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),

    // Pure.
    .target(name: "ConsentCore", swiftSettings: strict),
    .target(name: "ProofLog", dependencies: [crypto], swiftSettings: strict),
    .target(name: "RPCWire", swiftSettings: wire),

    // Wire.
    .target(name: "HTTP2", dependencies: ["CNghttp2", nio], swiftSettings: wire),
    .target(name: "Gzip", dependencies: ["CZlib"], swiftSettings: strict),
    .target(
      name: "RPCServer",
      dependencies: [
        "HTTP2", "RPCWire", "Gzip", nio, nioPosix, nioHTTP1, nioTLS, nioSSL, protobuf, logging,
      ],
      swiftSettings: wire),
    .target(
      name: "RPCClient",
      dependencies: ["HTTP2", "RPCWire", nio, nioPosix, nioSSL, protobuf],
      swiftSettings: strict),
    .target(name: "ConsentProto", dependencies: [protobuf]),

    // Store.
    .target(name: "Postgres", dependencies: ["CLibpq"], swiftSettings: strict),
    .target(name: "EmbeddedPostgres", dependencies: ["Postgres"], swiftSettings: strict),
    .target(
      name: "ConsentStore", dependencies: ["ConsentCore", "Postgres", "ProofLog", crypto],
      resources: migrations.map { .embedInCode("../../Schema/\($0).sql") },
      swiftSettings: strict),

    .target(
      name: "Checking", dependencies: ["ConsentCore", "ConsentStore"], swiftSettings: strict),

    // Service.
    .target(
      name: "EventFeed", dependencies: ["ConsentStore", "ConsentCore"], swiftSettings: strict),
    .target(
      name: "Reporting", dependencies: ["ConsentStore", "ConsentCore"], swiftSettings: strict),
    .target(
      name: "ConsentServer",
      dependencies: [
        "Checking", "ConsentCore", "ConsentProto", "ConsentStore", "EventFeed", "ProofLog",
        "Reporting", "RPCServer", "RPCWire", protobuf, logging, crypto, x509, asn1, jwt,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "consentd",
      dependencies: [
        "Checking", "ConsentCore", "ConsentServer", "ConsentStore", "EmbeddedPostgres",
        "EventFeed", "Postgres", "ProofLog", "RPCServer", arguments, crypto, logging,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "consentctl",
      dependencies: [
        "ConsentCore", "ConsentProto", "ConsentStore", "Postgres", "ProofLog", "RPCClient",
        "RPCWire", arguments, asn1, crypto, nio, nioPosix, nioSSL, protobuf, x509, yams,
      ],
      swiftSettings: tested),
    // An echo service for the wire tests; not a product.
    .executableTarget(
      name: "wire-echo",
      dependencies: ["Gzip", "RPCClient", "RPCServer", "RPCWire", nioSSL, protobuf, logging],
      exclude: ["echo.proto"],
      swiftSettings: tested),

    // What `ops/bench writes` measures with; not a product.
    .executableTarget(
      name: "bench-writes",
      dependencies: [
        "ConsentCore", "ConsentProto", "ConsentStore", "EmbeddedPostgres", "Postgres", "RPCClient",
        protobuf,
      ],
      swiftSettings: tested),
    // Makes the registers that `ops/bench ledger` asks about; not a product.
    .executableTarget(
      name: "bench-register",
      dependencies: ["ConsentCore", "ConsentStore", "EmbeddedPostgres", "Postgres"],
      swiftSettings: tested),
    // What a check costs below the wire; not a product.
    .executableTarget(
      name: "bench-checks",
      dependencies: [
        "Checking", "ConsentCore", "ConsentStore", "EmbeddedPostgres", "Postgres", "ProofLog",
      ],
      swiftSettings: tested),

    // Tests.
    .testTarget(
      name: "ConsentCoreTests", dependencies: ["ConsentCore"], exclude: ["Tables"],
      swiftSettings: tested),
    .testTarget(
      name: "ProofLogTests", dependencies: ["ProofLog", crypto], swiftSettings: tested),
    .testTarget(name: "RPCWireTests", dependencies: ["RPCWire"], swiftSettings: tested),
    .testTarget(
      name: "HTTP2Tests", dependencies: ["HTTP2", nio, nioEmbedded], swiftSettings: tested),
    .testTarget(
      name: "RPCServerTests",
      dependencies: [
        "RPCServer", "RPCClient", "RPCWire", "HTTP2", "Gzip", nio, nioPosix, protobuf, logging,
      ],
      swiftSettings: tested),
    .testTarget(
      name: "PostgresTests", dependencies: ["Postgres", "EmbeddedPostgres"],
      swiftSettings: tested),
    .testTarget(
      name: "EmbeddedPostgresTests", dependencies: ["Postgres", "EmbeddedPostgres"],
      swiftSettings: tested),
    .testTarget(
      name: "ConsentStoreTests",
      dependencies: [
        "ConsentStore", "ConsentCore", "EventFeed", "Postgres", "EmbeddedPostgres", "ProofLog",
        crypto,
      ],
      swiftSettings: tested),
    .testTarget(
      name: "CheckingTests",
      dependencies: ["Checking", "ConsentStore", "ConsentCore", "Postgres", "EmbeddedPostgres"],
      swiftSettings: tested),
    .testTarget(
      name: "EventFeedTests", dependencies: ["EventFeed", "ConsentStore", "ConsentCore"],
      swiftSettings: tested),
    .testTarget(
      name: "ReportingTests", dependencies: ["Reporting", "ConsentStore", "ConsentCore"],
      swiftSettings: tested),
    .testTarget(
      name: "ConsentServerTests",
      dependencies: [
        "Checking", "ConsentServer", "ConsentProto", "ConsentStore", "ConsentCore", "EventFeed",
        "ProofLog", "Reporting", "RPCServer", "RPCClient", "RPCWire", protobuf, logging, crypto,
        x509, asn1,
      ],
      exclude: ["Record/Data"], swiftSettings: tested),
    .testTarget(name: "HouseTests", swiftSettings: tested),
  ],
  swiftLanguageModes: [.v6]
)
