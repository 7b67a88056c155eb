import ConsentCore
import ConsentStore
import Foundation

/// What a node saw of the database last, as it stands in its file.
///
/// The process itself notices a feed that goes back or changes below it. A backup restored while
/// nothing ran is noticed only by what is remembered outside the database: no database can tell
/// that it is an older copy of itself.
struct SeenHistory: Codable, Equatable, Sendable {
  struct Head: Codable, Equatable, Sendable {
    var position: UInt64
    /// SHA-256 in hexadecimal digits.
    var chain: String
  }

  /// PostgreSQL's `system_identifier`; text, because JSON numbers end at 2^53 for many readers.
  var cluster: String
  /// By organization.
  var heads: [String: Head] = [:]

  /// - Returns: `nil` if there is no such file yet.
  static func read(_ path: String) throws(StartFailure) -> SeenHistory? {
    guard PrivateFile.exists(path) else { return nil }
    let text = try PrivateFile.read(path, what: "the history seen")
    do {
      return try JSONDecoder().decode(SeenHistory.self, from: Data(text.utf8))
    } catch {
      throw StartFailure(
        .configuration,
        "\(path) cannot be read as the history seen; restore it, or move it away to trust the "
          + "database as it is")
    }
  }

  func write(_ path: String) throws(StartFailure) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    guard let data = try? encoder.encode(self) else {
      throw StartFailure(.internal, "the history seen cannot be written as JSON")
    }
    try PrivateFile.replace(path, String(decoding: data, as: UTF8.self) + "\n")
  }

  /// In what the database differs from what was seen; none if it only went on.
  func differences(from store: PostgresConsentStore) async throws -> [String] {
    var found: [String] = []
    let answering = store.systemIdentifier.map(String.init) ?? "unknown"
    if answering != cluster {
      found.append("its cluster is \(answering) and was \(cluster)")
    }
    for (name, head) in heads.sorted(by: { $0.key < $1.key }) {
      guard let organization = OrganizationID(name) else {
        found.append("organization \(name) is not an id")
        continue
      }
      if let difference = try await head.difference(of: organization, in: store) {
        found.append("organization \(name) \(difference)")
      }
    }
    return found
  }
}

extension SeenHistory.Head {
  init(_ head: FeedHead) {
    self.init(position: head.position, chain: Hexadecimal.text(head.chain))
  }

  fileprivate func difference(
    of organization: OrganizationID, in store: PostgresConsentStore
  ) async throws -> String? {
    let trustsPositions = HistoryMutant.isOn(.trustPositions)
    do {
      return try await store.read(organization) { reader in
        guard reader.head.position >= position else {
          return "ends at position \(reader.head.position) and had reached \(position)"
        }
        if trustsPositions { return nil }
        // It may have grown past the position again: the chain tells.
        let held = try reader.head(at: position).map(Self.init)
        return held == self ? nil : "holds another history at position \(position)"
      }
    } catch StoreError.unknownOrganization {
      return "is not there"
    }
  }
}
