import ArgumentParser
import Foundation

struct DevCACommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev-ca",
    abstract: "Makes a certificate authority, a server certificate and client certificates.",
    discussion: """
      FOR DEVELOPMENT ONLY: the authority's key lies beside its certificates, and whoever reads it \
      can be anybody.

        ca.pem          the authority; clients trust it (curl --cacert), consentd --client-ca
        ca-key.pem      its key, mode 0600
        server.pem      for localhost, 127.0.0.1, ::1 and each --host; consentd --tls-certificate
        server-key.pem  its key, mode 0600; consentd --tls-key
        client-NAME.pem, client-NAME-key.pem
                        one pair a --client; the tokens file names it as
                        URI:urn:consentd:client:NAME

      What exists is kept, and said so; --renew issues server and clients anew by the same \
      authority. Certificates hold for 397 days, the authority for five years.

      Example:
        consentctl dev-ca --directory tls --client pacs
        consentctl token --file tokens.json --certificate URI:urn:consentd:client:pacs \\
          --name pacs --organization 0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0001 --role checker
      """)

  @Option(help: "Where the files are, or will be.") var directory: String
  @Option(help: "A further name or address of the server; may be repeated.") var host: [String] = []
  @Option(help: "A client to make a certificate for; may be repeated.") var client: [String] = []
  @Flag(help: "Issue the server's and the named clients' certificates anew.") var renew = false

  func run() async throws {
    try await reporting {
      for name in client where name.wholeMatch(of: /[A-Za-z0-9._-]{1,64}/) == nil {
        throw CommandFailure.usage("--client \(name) has other than letters, digits, . _ and -")
      }
      let folder = URL(fileURLWithPath: directory)
      do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      } catch {
        throw CommandFailure.data("cannot make the folder \(directory)")
      }
      let authority = try authority(in: folder)
      try issue("server", in: folder) {
        try authority.server(hosts: ["localhost", "127.0.0.1", "::1"] + host)
      }
      for name in client {
        try issue("client-" + name, in: folder) { try authority.client(name) }
      }
      standardError(
        "consentctl: these certificates are for development; ca-key.pem can make any other\n")
    }
  }

  private func authority(in folder: URL) throws -> DevelopmentCA {
    let paths = PairPaths(folder, "ca")
    switch (paths.certificateExists, paths.keyExists) {
    case (true, true):
      guard let certificate = try? String(contentsOfFile: paths.certificate, encoding: .utf8),
        let key = try? String(contentsOfFile: paths.key, encoding: .utf8)
      else { throw CommandFailure.data("cannot read ca.pem and ca-key.pem in \(directory)") }
      do {
        let authority = try DevelopmentCA(certificatePEM: certificate, keyPEM: key)
        print("kept \(paths.certificate)")
        return authority
      } catch let failure as CommandFailure {
        throw failure
      } catch {
        throw CommandFailure.data("ca.pem and ca-key.pem in \(directory) are no authority")
      }
    case (false, false):
      let (authority, issued) = try DevelopmentCA.make()
      try paths.write(issued)
      return authority
    default:
      throw CommandFailure.data(
        "\(directory) has one of ca.pem and ca-key.pem; bring the other back or remove it")
    }
  }

  private func issue(
    _ name: String, in folder: URL, _ make: () throws -> DevelopmentCA.Issued
  ) throws {
    let paths = PairPaths(folder, name)
    if !renew, paths.certificateExists || paths.keyExists {
      print("kept \(paths.certificate); --renew issues it anew")
    } else {
      try paths.write(try make())
    }
  }
}

/// A certificate and its key, by name.
private struct PairPaths {
  var certificate: String
  var key: String

  init(_ folder: URL, _ name: String) {
    certificate = folder.appendingPathComponent(name + ".pem").path
    key = folder.appendingPathComponent(name + "-key.pem").path
  }

  var certificateExists: Bool { FileManager.default.fileExists(atPath: certificate) }
  var keyExists: Bool { FileManager.default.fileExists(atPath: key) }

  /// Each file in one step, the key first and readable by its owner only. A service that looks in
  /// between finds a pair that does not fit, and goes on with the one it has.
  func write(_ issued: DevelopmentCA.Issued) throws {
    try Files.write(Data(issued.key.utf8), to: key, mode: 0o600)
    try Files.write(Data(issued.certificate.utf8), to: certificate, mode: 0o644)
    print("wrote \(certificate) and \(key)")
  }
}
