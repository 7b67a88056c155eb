import Foundation

/// The keys of a set as they stand in its file (RFC 7517 §5), before any of them is used.
///
/// `Material` is how the key itself is read; one that cannot be is `nil`, since a set may hold keys of
/// kinds unknown here.
struct KeySetFile<Material: Decodable> {
  struct Entry {
    var description: KeyDescription
    var material: Material?
  }

  let entries: [Entry]

  /// - Parameter name: the file's name, for errors.
  init(json: Data, name: String) throws(TokenFileError) {
    guard let file = try? JSONDecoder().decode(File.self, from: json) else {
      throw TokenFileError("\(name) is not a JSON Web Key Set: {\"keys\":[…]}")
    }
    guard file.keys.count <= Self.keyLimit else {
      throw TokenFileError("\(name) has more than \(Self.keyLimit) keys")
    }
    for (index, entry) in file.keys.enumerated() where entry.description.isPrivate {
      throw TokenFileError(
        "\(name): keys[\(index)] is a private key; give the public part alone, and replace the key")
    }
    entries = file.keys
  }

  private static var keyLimit: Int { 64 }

  private struct File: Decodable {
    var keys: [Entry]
  }
}

extension KeySetFile.Entry: Decodable {
  init(from decoder: any Decoder) throws {
    description = try KeyDescription(from: decoder)
    material = try? Material(from: decoder)
  }
}
