import Foundation
import Testing

/// Small files with one idea each. The numbers are orientation: a file that is better long is
/// named here with its reason.
@Suite struct TidyTests {
  static let longestFile = 500
  static let longestFunction = 90

  /// Files that are long for a good reason.
  static let longFiles: [String: String] = [:]
  static let longFunctions: [String: String] = [:]

  @Test func filesAreSmall() {
    for file in SourceTree.swiftFiles(below: "Sources") where TidyTests.longFiles[file.path] == nil
    {
      let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false).count
      #expect(lines <= TidyTests.longestFile, "\(file.path) has \(lines) lines: a second noun?")
    }
  }

  @Test func functionsFitOnAScreen() {
    for file in SourceTree.swiftFiles(below: "Sources") {
      for (name, lines) in TidyTests.functions(in: file.text) {
        let place = file.path + ":" + name
        guard TidyTests.longFunctions[place] == nil else { continue }
        #expect(lines <= TidyTests.longestFunction, "\(place) has \(lines) lines")
      }
    }
  }

  @Test func nothingTrapsOnPurposeAndNothingIsLeftOpen() {
    let banned = ["try!", "fatalError(", "TODO", "FIXME", "XXX:", "HACK"]
    for file in SourceTree.swiftFiles(below: "Sources") {
      for word in banned where file.text.contains(word) {
        Issue.record("\(file.path) contains \(word)")
      }
    }
  }

  @Test func topLevelIsExactlyWhatItShouldBe() throws {
    let expected: Set<String> = [
      "Package.swift", "Sources", "Tests", "Schema", "Proto", "ops", "README.md",
    ]
    let git = Process()
    git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    git.arguments = ["git", "-C", SourceTree.root.path, "ls-files"]
    let pipe = Pipe()
    git.standardOutput = pipe
    try git.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    git.waitUntilExit()
    let names = Set(
      String(decoding: data, as: UTF8.self).split(separator: "\n")
        .compactMap { $0.split(separator: "/").first.map(String.init) })
    #expect(names.filter { !$0.hasPrefix(".") } == expected)
  }

  /// Functions by indentation: from a line that declares one to the first line that closes it at
  /// the same depth.
  static func functions(in text: String) -> [(name: String, lines: Int)] {
    var open: (name: String, indent: Int, start: Int)?
    var found: [(String, Int)] = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let indent = line.prefix { $0 == " " }.count
      if let current = open {
        if indent == current.indent, line.dropFirst(indent).hasPrefix("}") {
          found.append((current.name, number - current.start + 1))
          open = nil
        }
      } else if let range = line.range(of: "func "), line.hasSuffix("{") || line.hasSuffix("("),
        !line.drop(while: { $0 == " " }).hasPrefix("//")
      {
        let name = line[range.upperBound...].prefix { $0 != "(" && $0 != "<" }
        open = (String(name), indent, number)
      }
    }
    return found
  }

  @Test func longFunctionsAreFound() {
    let body = String(repeating: "    work()\n", count: 100)
    let found = TidyTests.functions(in: "  func long() {\n" + body + "  }\n  func short() {\n  }\n")
    #expect(found.map(\.name) == ["long", "short"])
    #expect(found.map(\.lines) == [102, 2])
  }
}
