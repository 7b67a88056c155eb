import ArgumentParser
import Foundation

/// Whose token a command uses.
enum CallerRole: String {
  case checker, recorder, reporter, auditor, administrator
}

/// What every command that calls the service takes.
struct ServerOptions: ParsableArguments {
  @Option(help: "The service, such as http://127.0.0.1:8080. Default: $CONSENTD_URL.")
  var url: String?

  @Option(
    help: "A file that holds the token. Default: $CONSENTD_TOKEN or $CONSENTD_<ROLE>_TOKEN.")
  var tokenFile: String?

  @Flag(help: "Print JSON instead of text.")
  var json = false

  /// Where the service is, and how it is reached.
  func endpoint() throws -> Endpoint {
    let environment = ProcessInfo.processInfo.environment
    guard let text = url ?? environment["CONSENTD_URL"] else {
      throw CommandFailure.usage("which service? Set CONSENTD_URL or give --url")
    }
    guard let parsed = URLComponents(string: text), ["http", "https"].contains(parsed.scheme),
      let host = parsed.host, let port = parsed.port ?? (parsed.scheme == "https" ? 443 : nil)
    else {
      throw CommandFailure.usage("\(text) is not of the form http://host:port or https://host")
    }
    let name = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
    let tls = parsed.scheme == "https" ? try ClientTLS.configuration(environment) : nil
    return Endpoint(host: name, port: port, tls: tls)
  }

  /// `nil` when the client certificate says who calls.
  func token(for role: CallerRole) throws -> String? {
    if let tokenFile {
      guard let text = try? String(contentsOfFile: tokenFile, encoding: .utf8) else {
        throw CommandFailure.usage("cannot read the token file \(tokenFile)")
      }
      return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let environment = ProcessInfo.processInfo.environment
    let own = "CONSENTD_\(role.rawValue.uppercased())_TOKEN"
    let token = environment["CONSENTD_TOKEN"] ?? environment[own]
    guard token != nil || ClientTLS.hasCertificate(environment) else {
      throw CommandFailure.usage("whose call is it? Set CONSENTD_TOKEN or \(own)")
    }
    return token
  }

  /// Runs `body` with a connection for `role` and closes it.
  func connected<Result>(
    as role: CallerRole, _ body: (Connection) async throws -> Result
  ) async throws -> Result {
    let connection = Connection(try endpoint(), token: try token(for: role))
    do {
      let result = try await body(connection)
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }
}
