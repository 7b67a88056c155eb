import Foundation

public import ConsentCore

/// Whose signed tokens are believed, and what they may say.
///
/// JSON: `{"issuers":[{"name":"idp","issuer":"https://id.example","audience":"https://consent.example",
/// "jwks":"jwks.json","organization":"<uuid>"}]}`. `jwks` is a file, relative to this one.
/// Optional: `name_claim`; `organization_claim` with `organizations` instead of `organization`;
/// `scopes` (scope → roles, instead of `ScopeTable.smart`); `part2_scope`; `leeway_seconds` (60);
/// `uses`, `audiences` and `channels` as in `TokenFile`. ops/identity.md describes each.
public struct IssuerFile: Sendable {
  let issuers: [String: Issuer]
  /// The file itself and the key sets that it names: what to watch.
  public let files: [String]

  /// Every organization that a token could name.
  public var organizations: Set<OrganizationID> {
    Set(issuers.values.flatMap(\.organization.all))
  }

  /// Keys that are believed, and keys of the sets that are of no use here.
  public var keyCounts: (believed: Int, passedOver: Int) {
    issuers.values.reduce((0, 0)) { ($0.0 + $1.keys.count, $0.1 + $1.keys.passedOver) }
  }

  private static let sizeLimit = 1_048_576

  public static func load(_ path: String) async throws(TokenFileError) -> IssuerFile {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    var issuers: [String: Issuer] = [:]
    var files = [path]
    for description in try IssuerDescription.all(json: try contents(path), name: path) {
      let keyFile = URL(fileURLWithPath: description.keyFile, relativeTo: folder).path
      let keys = try await KeySet(json: try contents(keyFile), name: keyFile)
      files.append(keyFile)
      issuers[description.issuer] = Issuer(description: description, keys: keys)
    }
    return IssuerFile(issuers: issuers, files: files)
  }

  private static func contents(_ path: String) throws(TokenFileError) -> Data {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TokenFileError("cannot read \(path); check its path and permissions")
    }
    guard data.count <= sizeLimit else { throw TokenFileError("\(path) is longer than 1 MiB") }
    return data
  }
}

/// One issuer of tokens: what the file says of it, and its keys.
@dynamicMemberLookup
struct Issuer: Sendable {
  let description: IssuerDescription
  let keys: KeySet

  subscript<Value>(dynamicMember path: KeyPath<IssuerDescription, Value>) -> Value {
    description[keyPath: path]
  }
}
