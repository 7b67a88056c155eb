import Foundation
import Glibc
import Postgres
import Synchronization

/// A socket between store and database that lets everything through until it is told to keep the
/// answer of the next COMMIT and to end the connection: the transaction stands and nobody is told.
final class CuttingProxy: Sendable {
  private struct State {
    var cutsLeft = 0
    var cuts = 0
    var isClosed = false
    var target: String
    var open: Set<Int32> = []
  }

  private let folder: String
  private let listener: Int32
  private let state: Mutex<State>

  /// - Parameter target: the path of the database's socket.
  init(to target: String) throws {
    state = Mutex(State(target: target))
    // Short: a socket's path has 107 bytes at most.
    folder = "/tmp/cut-\(getpid())-\(UInt32.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = Self.address(folder + "/.s.PGSQL.5432")
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard bound == 0, listen(listener, 16) == 0 else { throw POSIXError(.EADDRNOTAVAIL) }
    Thread { self.accept() }.start()
  }

  /// `server` by way of this proxy.
  func configuration(_ server: PostgresConfiguration) -> PostgresConfiguration {
    var configuration = server
    // Of a word said twice libpq takes the last.
    configuration.conninfo += " host='\(folder)' port=5432"
    return configuration
  }

  /// Answers of COMMIT kept so far.
  var cuts: Int { state.withLock { $0.cuts } }

  func cutNextCommits(_ count: Int = 1) { state.withLock { $0.cutsLeft = count } }

  /// Ends every connection; the next ones lead elsewhere.
  func retarget(to target: String) {
    let open = state.withLock { state in
      state.target = target
      return state.open
    }
    for socket in open { shutdown(socket, Int32(SHUT_RDWR)) }
  }

  func close() {
    let open = state.withLock { state in
      state.isClosed = true
      return state.open
    }
    shutdown(listener, Int32(SHUT_RDWR))
    for socket in open { shutdown(socket, Int32(SHUT_RDWR)) }
    try? FileManager.default.removeItem(atPath: folder)
  }

  private func accept() {
    while true {
      let client = Glibc.accept(listener, nil, nil)
      guard client >= 0 else { break }
      guard !state.withLock({ $0.isClosed }), let server = connectToTarget() else {
        Glibc.close(client)
        continue
      }
      state.withLock { $0.open.formUnion([client, server]) }
      let both = Both(client: client, server: server)
      for (from, to, watches) in [(client, server, false), (server, client, true)] {
        Thread {
          self.copy(from, to, watches: watches)
          shutdown(from, Int32(SHUT_RDWR))
          shutdown(to, Int32(SHUT_RDWR))
          both.endOne { self.forget($0) }
        }.start()
      }
    }
    Glibc.close(listener)
  }

  /// Closes both sockets when both directions have ended.
  private final class Both: Sendable {
    let client: Int32
    let server: Int32
    private let ended = Mutex(0)

    init(client: Int32, server: Int32) {
      self.client = client
      self.server = server
    }

    func endOne(_ forget: ([Int32]) -> Void) {
      let isLast = ended.withLock { ended in
        ended += 1
        return ended == 2
      }
      guard isLast else { return }
      forget([client, server])
      Glibc.close(client)
      Glibc.close(server)
    }
  }

  private func forget(_ sockets: [Int32]) { state.withLock { $0.open.subtract(sockets) } }

  private func copy(_ from: Int32, _ to: Int32, watches: Bool) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let commit = Data("COMMIT\0".utf8)
    while true {
      let count = recv(from, &buffer, buffer.count, 0)
      guard count > 0 else { return }
      let bytes = Data(buffer[..<count])
      if watches, bytes.range(of: commit) != nil {
        let isCut = state.withLock { state in
          guard state.cutsLeft > 0 else { return false }
          state.cutsLeft -= 1
          state.cuts += 1
          return true
        }
        if isCut { return }
      }
      var sent = 0
      while sent < count {
        let more = buffer[sent..<count].withUnsafeBytes {
          send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard more > 0 else { return }
        sent += more
      }
    }
  }

  private func connectToTarget() -> Int32? {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = Self.address(state.withLock { $0.target })
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else {
      Glibc.close(descriptor)
      return nil
    }
    return descriptor
  }

  private static func address(_ path: String) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { bytes in
      bytes.copyBytes(from: path.utf8.prefix(bytes.count - 1))
    }
    return address
  }
}
