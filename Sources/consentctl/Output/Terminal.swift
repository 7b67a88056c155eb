import Foundation

/// What the terminal can show.
enum Terminal {
  static let isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
  static let showsProgress = isatty(STDERR_FILENO) == 1
  static let showsColor =
    isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil

  static func bold(_ text: String) -> String { showsColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
  static func green(_ text: String) -> String { showsColor ? "\u{1B}[32m\(text)\u{1B}[0m" : text }
  static func red(_ text: String) -> String { showsColor ? "\u{1B}[31m\(text)\u{1B}[0m" : text }

  /// A question on standard error, the answer from standard input.
  static func ask(_ question: String, default fallback: String? = nil) throws -> String {
    standardError(question + (fallback.map { " [\($0)]" } ?? "") + ": ")
    guard let line = readLine() else {
      throw CommandFailure.usage("the answers ended early; nothing was recorded")
    }
    let answer = line.trimmingCharacters(in: .whitespaces)
    return answer.isEmpty ? fallback ?? "" : answer
  }

  static func confirm(_ question: String) throws -> Bool {
    try ["y", "yes"].contains(ask(question + " (y/N)").lowercased())
  }
}

/// A bar on standard error for work that takes a while; silent where nobody looks.
struct Progress {
  let title: String
  let total: Int

  func show(_ done: Int) {
    guard Terminal.showsProgress, total > 0 else { return }
    let width = 30
    let filled = min(width, done * width / total)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
    standardError("\r\(title) [\(bar)] \(done)/\(total)\(done >= total ? "\n" : "")")
  }
}
