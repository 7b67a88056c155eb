import Foundation

/// The checkout this test was compiled from.
enum SourceTree {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Hand-written Swift files below `folder`, with their path relative to the root.
  static func swiftFiles(below folder: String) -> [(path: String, text: String)] {
    let base = root.appendingPathComponent(folder)
    guard let walk = FileManager.default.enumerator(atPath: base.path) else { return [] }
    return walk.compactMap { item in
      guard let item = item as? String, item.hasSuffix(".swift"), !item.contains("Generated/"),
        let text = try? String(contentsOf: base.appendingPathComponent(item), encoding: .utf8)
      else { return nil }
      return (folder + "/" + item, text)
    }.sorted { $0.0 < $1.0 }
  }

  /// The modules a file imports, whatever the access level or attribute before `import`.
  static func imports(in text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
        words[..<at].allSatisfy({
          ["public", "package", "internal", "private", "fileprivate"].contains($0)
            || $0.hasPrefix("@")
        })
      else { return nil }
      // `import struct Foundation.Data` names the module after the kind.
      let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "typealias"]
      let name =
        kinds.contains(words[at + 1]) && at + 2 < words.count ? words[at + 2] : words[at + 1]
      return name.split(separator: ".").first.map(String.init)
    }
  }
}
