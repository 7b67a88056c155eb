import ConsentCore
import ConsentServer

/// The files that say who may call, read at the start and again when they change.
struct CallerFiles: Sendable {
  var tokens: String?
  var issuers: String?

  func readTokens() throws -> TokenFile {
    try tokens.map { try TokenFile(contentsOf: $0) } ?? TokenFile()
  }

  func readIssuers() async throws -> IssuerFile? {
    guard let issuers else { return nil }
    return try await IssuerFile.load(issuers)
  }

  /// Refuses callers of an organization that is not served, and names that two callers could have.
  static func check(
    _ tokens: TokenFile, _ issuers: IssuerFile?, served: Set<OrganizationID>
  ) throws(StartFailure) {
    let named = tokens.organizations.union(issuers?.organizations ?? [])
    if let unknown = named.subtracting(served).min() {
      throw StartFailure(
        .configuration,
        "the callers' files name organization \(unknown), which is not in the database; "
          + "add it with --organizations")
    }
    if let name = issuers.flatMap({ tokens.firstName(ofAn: $0) }) {
      throw StartFailure(
        .configuration,
        "the caller \(name) of --tokens is named like one of an issuer; give it another name")
    }
  }
}
