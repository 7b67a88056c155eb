import ArgumentParser
import Foundation

/// Why a command failed, in words for its user, with the exit code for scripts (sysexits).
enum CommandFailure: Error, CustomStringConvertible {
  case usage(String)
  case data(String)
  case unavailable(String)
  case notAllowed(String)
  case fault(String)

  var description: String {
    switch self {
    case .usage(let text), .data(let text), .unavailable(let text), .notAllowed(let text),
      .fault(let text):
      text
    }
  }

  var exitCode: ExitCode {
    switch self {
    case .usage: ExitCode(64)
    case .data: ExitCode(65)
    case .unavailable: ExitCode(69)
    case .fault: ExitCode(70)
    case .notAllowed: ExitCode(77)
    }
  }
}

extension ExitCode {
  /// `consentctl check` answered DENY.
  static let denied = ExitCode(3)
}

/// Runs a command's work; a failure is one line on standard error and its exit code.
func reporting<Result>(_ work: () async throws -> Result) async throws -> Result {
  do {
    return try await work()
  } catch let failure as CommandFailure {
    standardError("consentctl: \(failure)\n")
    throw failure.exitCode
  }
}

func standardError(_ text: String) {
  // A closed pipe or a full disk must not end the program.
  try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
}
