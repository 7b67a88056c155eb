internal import CLibpq

/// One session with a PostgreSQL server.
///
/// Not Sendable: it is used on one thread at a time, and its calls block that thread; a
/// `PostgresLane` gives it one. Statements run with binary parameters and binary results.
///
/// INVARIANT: a connection on which a session may still be in an unknown state is `isBroken` and
/// takes no further statement.
@safe public final class PostgresConnection {
  let handle: OpaquePointer
  let notices = NoticeLog()
  let responseTimeout: Duration
  var prepared = PreparedStatements()
  /// The transaction that `begin` opened.
  var openTransaction: OpenTransaction?
  var deadline: ReadDeadline?
  public internal(set) var isBroken = false
  /// The session works, and another one may be better: this server takes no writes.
  var needsReplacement = false
  /// For whoever has plans kept: how much there was when they were made, in a measure of its own.
  /// `nil` of a new connection.
  public var plansMadeAt: UInt64?

  struct OpenTransaction {
    var readOnly: Bool
  }

  /// Connects and sets everything on which correctness depends, whatever the defaults of server,
  /// database and role are.
  /// - Throws: `.connectFailed` within the connect timeout of each host.
  public init(_ configuration: PostgresConfiguration) throws(PostgresError) {
    responseTimeout = configuration.responseTimeout
    let password = try ConnectionString(configuration.conninfo).password
    guard let handle = unsafe Self.start(configuration) else {
      throw PostgresError(.connectFailed, "libpq has no memory for a connection")
    }
    unsafe self.handle = unsafe handle
    unsafe PQsetNoticeReceiver(
      handle,
      { context, result in
        guard let context = unsafe context, let result = unsafe result else { return }
        unsafe Unmanaged<NoticeLog>.fromOpaque(context).takeUnretainedValue().receive(result)
      },
      Unmanaged.passUnretained(notices).toOpaque())
    // The first attempt was only begun, to have a handle whose notices are ours before the server
    // can send one (it warns of collation versions while connecting, and libpq would print that).
    // The blocking form alone applies the timeout to each host by itself.
    unsafe PQreset(handle)
    guard unsafe PQstatus(handle) == CONNECTION_OK else { throw connectFailure(password) }
    unsafe PQsetnonblocking(handle, 1)
    try applySettings(configuration)
    if let expected = configuration.systemIdentifier { try requireCluster(expected) }
    notices.removeAll()
  }

  deinit { unsafe PQfinish(handle) }

  /// The process of this session on the server.
  public var backendProcessID: Int32 { unsafe PQbackendPID(handle) }

  /// For example 150020.
  public var serverVersion: Int32 { unsafe PQserverVersion(handle) }

  /// Notices and warnings received since the last call, the newest 32 at most.
  public func takeNotices() -> [PostgresNotice] { notices.take() }

  var isInTransaction: Bool {
    let status = unsafe PQtransactionStatus(handle)
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
  }

  /// The number that initdb gave the cluster; a physical copy has it too.
  public func systemIdentifier() throws(PostgresError) -> Int64 {
    try execute(
      PostgresStatement(
        name: "system_identifier",
        sql: "SELECT system_identifier FROM pg_catalog.pg_control_system()")
    ).single().get(0)
  }

  private func requireCluster(_ expected: Int64) throws(PostgresError) {
    let found = try systemIdentifier()
    guard found != expected else { return }
    isBroken = true
    throw PostgresError(
      .connectFailed,
      "another database cluster answers at this address: its system identifier is \(found) and "
        + "was \(expected); restart consentd if that is meant")
  }

  /// A transaction is open and none of its statements has failed.
  public var isTransactionIntact: Bool {
    !isBroken && (unsafe PQtransactionStatus(handle)) == PQTRANS_INTRANS
  }

  private func connectFailure(_ password: String) -> PostgresError {
    isBroken = true
    // The text of libpq names host, port, user and database, one of which may hold the password.
    var text = ""
    if let message = unsafe PQerrorMessage(handle) { text = unsafe String(cString: message) }
    while text.last?.isNewline == true { text.removeLast() }
    if !password.isEmpty, text.contains(password) { text = "" }
    return PostgresError(.connectFailed, text.isEmpty ? "no connection could be made" : text)
  }

  /// Begins to connect. What the caller's conninfo says wins over the first list and loses to the
  /// second.
  @unsafe private static func start(_ configuration: PostgresConfiguration) -> OpaquePointer? {
    let options: [(String, String)] = [
      ("connect_timeout", "\(max(2, configuration.connectTimeoutSeconds))"),
      ("keepalives_idle", "10"),
      ("keepalives_interval", "5"),
      ("keepalives_count", "3"),
      ("gssencmode", "disable"),
      ("dbname", configuration.conninfo),
      ("tcp_user_timeout", "\(configuration.tcpUserTimeoutMilliseconds)"),
      ("application_name", configuration.applicationName),
      ("client_encoding", "UTF8"),
    ]
    return unsafe withCStrings(options.map(\.0)) { keywords in
      unsafe withCStrings(options.map(\.1)) { values in
        unsafe PQconnectStartParams(keywords, values, 1)
      }
    }
  }

  private func applySettings(_ configuration: PostgresConfiguration) throws(PostgresError) {
    var settings: [(String, String)] = [
      ("synchronous_commit", "on"),
      ("search_path", configuration.searchPath),
      (
        "idle_in_transaction_session_timeout",
        "\(configuration.idleInTransactionTimeoutMilliseconds)"
      ),
      ("lock_timeout", "\(configuration.lockTimeoutMilliseconds)"),
      // A cancelled COMMIT would be uncertain; reads have deadlines of their own.
      ("statement_timeout", "0"),
      ("idle_session_timeout", "0"),
      ("row_security", "on"),
      // Plans that are kept cost much by the planner's guess and read a few rows: compiling one, at
      // every execution, would take longer than all else.
      ("jit", "off"),
      ("TimeZone", "UTC"),
    ]
    if serverVersion >= 170_000 { settings.append(("transaction_timeout", "0")) }
    try set(settings)
    do throws(PostgresError) {
      let interval = configuration.clientCheckIntervalMilliseconds
      try set([("client_connection_check_interval", "\(interval)")])
    } catch {
      // Not every system can tell a server that its client is gone. The time limit on idle
      // transactions still holds there.
      if isBroken { throw error }
    }
  }

  /// In one round trip.
  private func set(_ settings: [(name: String, value: String)]) throws(PostgresError) {
    try execute(
      PostgresStatement(
        name: "set_config",
        sql: """
          SELECT pg_catalog.set_config(name, value, false)
          FROM unnest($1::text[], $2::text[]) AS setting (name, value)
          """),
      PostgresParameters(settings.map(\.name), settings.map(\.value)))
  }
}

@available(*, unavailable)
extension PostgresConnection: Sendable {}

/// Lends an array of C strings that ends with a null pointer.
@unsafe private func withCStrings<Result>(
  _ strings: [String],
  _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
  let copies = unsafe strings.map { string in
    let bytes = string.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    unsafe copy.initialize(from: Array(bytes), count: bytes.count)
    return unsafe copy
  }
  defer { unsafe copies.forEach { unsafe $0.deallocate() } }
  let pointers = unsafe copies.map { unsafe Optional(UnsafePointer($0)) } + [nil]
  return unsafe pointers.withUnsafeBufferPointer { buffer in
    // The array has one element at least: the null pointer at its end.
    unsafe body(buffer.baseAddress.unsafelyUnwrapped)
  }
}
