import ArgumentParser
import Crypto
import Foundation

struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Makes a bearer token, prints it once and adds its hash to a token file.",
    discussion: """
      consentd reads the file with --tokens; it holds only SHA-256 hashes. Keep what is printed.

      Example:
        consentctl token --file tokens.json --name ehr \\
          --organization 0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0001 --role checker

      With --certificate no token is made: the holder of that client certificate is the caller.
      """)

  @Option(help: "The token file; made if it does not exist.") var file: String
  @Option(help: "Name of the calling system or person, as it appears in the log.") var name: String
  @Option(help: "The organization's id (UUID).") var organization: String
  @Option(help: "checker | recorder | reporter | auditor | administrator; may be repeated.")
  var role: [String]
  @Flag(help: "The caller may see reasons of 42 CFR part 2.") var part2 = false
  @Option(
    help: "What the client certificate says: URI:…, DNS:…, email:… or sha256:<hash of its DER>.")
  var certificate: String?

  func run() async throws {
    try await reporting {
      if let certificate {
        let entry = try CertificateFileEntry.make(
          certificate, name: name, organization: organization, roles: role, part2: part2)
        return try TokenFileEntry.add([], [entry], to: file)
      }
      let entry = try TokenFileEntry.make(
        name: name, organization: organization, roles: role, part2: part2)
      try TokenFileEntry.add([entry.entry], to: file)
      print(entry.token)
    }
  }
}

/// The token file as this tool writes it; consentd reads it.
struct TokenFileEntry: Codable {
  var name: String
  var organization: String
  var roles: [String]
  var part2: Bool?
  var tokenSHA256: String
  var uses: [String]?
  var audiences: [String]?
  var channels: [String]?

  enum CodingKeys: String, CodingKey {
    case name, organization, roles, part2, uses, audiences, channels
    case tokenSHA256 = "token_sha256"
  }

  struct File: Codable {
    var tokens: [TokenFileEntry]?
    var certificates: [CertificateFileEntry]?
  }

  static func make(
    name: String, organization: String, roles: [String], part2: Bool
  ) throws -> (entry: TokenFileEntry, token: String) {
    try check(organization: organization, roles: roles)
    let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
    let token = bytes.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
      .replacing("=", with: "")
    let hash = SHA256.hash(data: Data(token.utf8)).map(Keys.hex).joined()
    let entry = TokenFileEntry(
      name: name, organization: organization.lowercased(), roles: roles,
      part2: part2 ? true : nil, tokenSHA256: hash)
    return (entry, token)
  }

  static func check(organization: String, roles: [String]) throws {
    guard UUID(uuidString: organization) != nil else {
      throw CommandFailure.usage("--organization: \(organization) is not a UUID")
    }
    for role in roles where CallerRole(rawValue: role) == nil {
      throw CommandFailure.usage(
        "--role: \(role) is not one of checker, recorder, reporter, auditor, administrator")
    }
  }

  /// Replaces the file in one step, readable by its owner only.
  static func add(
    _ entries: [TokenFileEntry], _ certificates: [CertificateFileEntry] = [], to path: String
  ) throws {
    var file = File()
    if let data = FileManager.default.contents(atPath: path) {
      guard let read = try? JSONDecoder().decode(File.self, from: data) else {
        throw CommandFailure.data("\(path) is not a token file; nothing was changed")
      }
      file = read
    }
    file.tokens = (file.tokens ?? []) + entries
    if !certificates.isEmpty { file.certificates = (file.certificates ?? []) + certificates }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try Files.write(try encoder.encode(file), to: path, mode: 0o600)
  }
}

/// A caller known by a client certificate.
struct CertificateFileEntry: Codable {
  var certificate: String
  var name: String
  var organization: String
  var roles: [String]
  var part2: Bool?
  var uses: [String]?
  var audiences: [String]?
  var channels: [String]?

  static func make(
    _ certificate: String, name: String, organization: String, roles: [String], part2: Bool
  ) throws -> CertificateFileEntry {
    try TokenFileEntry.check(organization: organization, roles: roles)
    guard certificate.wholeMatch(of: /(URI|DNS|email):.+|sha256:[0-9A-Fa-f]{64}/) != nil else {
      throw CommandFailure.usage(
        "--certificate is URI:…, DNS:…, email:… or sha256: and 64 hexadecimal digits")
    }
    return CertificateFileEntry(
      certificate: certificate, name: name, organization: organization.lowercased(), roles: roles,
      part2: part2 ? true : nil)
  }
}
