import ConsentCore
import ConsentServer
import RPCServer
import Synchronization

/// What says who may connect and call, as read at the start, and how each part is read again.
struct Access: Sendable {
  var tokens: TokenFile
  var issuers: IssuerFile?
  var tls: ServerTLS?
  private var callerMarks: FileMarks
  private var issuerMarks: FileMarks
  private var tlsMarks: FileMarks

  static func read(_ settings: Settings) async throws -> Access {
    let files = settings.callers
    // Marked before they are read: a change meanwhile is seen at the first look.
    let callerMarks = FileMarks(files.tokens.map { [$0] } ?? [])
    let tlsMarks = FileMarks(settings.listening.tls?.paths ?? [])
    let tokens = try files.readTokens()
    let tls = try settings.listening.tls?.read()
    _ = try tls?.configuration()
    // Which key sets to mark is known when the issuers were read, so they are read again after.
    let issuerMarks = FileMarks(try await files.readIssuers()?.files ?? [])
    let issuers = try await files.readIssuers()
    return Access(
      tokens: tokens, issuers: issuers, tls: tls, callerMarks: callerMarks,
      issuerMarks: issuerMarks, tlsMarks: tlsMarks)
  }

  func sources(
    _ settings: Settings, served: Set<OrganizationID>, _ callers: CallerDirectory,
    _ server: RPCServer, _ certificate: CertificateEnd
  ) -> [Reloader.Source] {
    let files = settings.callers
    var sources: [Reloader.Source] = []
    if let path = files.tokens {
      sources.append(
        Reloader.Source(what: "callers", seen: callerMarks) {
          let tokens = try files.readTokens()
          try CallerFiles.check(tokens, callers.issuers, served: served)
          callers.replace(tokens: tokens)
          return [path]
        })
    }
    if files.issuers != nil {
      sources.append(
        Reloader.Source(what: "issuers", seen: issuerMarks) {
          guard let issuers = try await files.readIssuers() else { return [] }
          try CallerFiles.check(callers.tokens, issuers, served: served)
          callers.replace(issuers: issuers)
          return issuers.files
        })
    }
    if let tls = settings.listening.tls {
      sources.append(
        Reloader.Source(what: "certificate", seen: tlsMarks) {
          let read = try tls.read()
          try server.replaceTLS(try read.configuration())
          certificate.set(read.notValidAfter)
          return tls.paths
        })
    }
    return sources
  }
}

/// When the certificate in force ends, for metrics.
final class CertificateEnd: Sendable {
  private let value: Mutex<Int64?>

  init(_ seconds: Int64?) { value = Mutex(seconds) }

  var seconds: Int64? { value.withLock { $0 } }

  func set(_ seconds: Int64?) { value.withLock { $0 = seconds } }
}
