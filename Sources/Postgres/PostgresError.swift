/// Why the database did not do what it was asked.
///
/// The printable form holds fixed text and names from our own schema. DETAIL, HINT, CONTEXT and
/// parameters are never kept: they may contain personal data.
public struct PostgresError: Error, Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// The server answered with an error; see `sqlState`.
    case server
    /// No connection could be made. Nothing was sent.
    case connectFailed
    /// The connection broke or fell silent.
    case connectionLost
    /// COMMIT was answered with a warning: it may stand here and not on the standby.
    case commitUncertain
    /// A read did not end by its deadline.
    case deadlineExceeded
    /// A column could not be read as the type asked for.
    case decoding
    /// The call does not fit the state of the connection or the limits of the protocol.
    case misuse
    /// The lane has as many jobs waiting as it may have. Nothing was sent.
    case queueFull
    /// The lane was closed. Nothing was sent.
    case closed
  }

  public var kind: Kind
  /// The five-character code (PostgreSQL manual, appendix A).
  public var sqlState: String?
  public var severity: String?
  public var constraint: String?
  public var table: String?
  /// The name of the statement that failed.
  public var statement: String?
  /// The name of the column that could not be read.
  public var column: String?
  /// Fixed text without values.
  public var message: String
  /// The change may or may not have been made. Resolve it behind a lock, never by looking.
  public var outcomeUnknown: Bool

  public init(
    _ kind: Kind, _ message: String, statement: String? = nil, outcomeUnknown: Bool = false
  ) {
    self.kind = kind
    self.message = message
    self.statement = statement
    self.outcomeUnknown = outcomeUnknown
  }
}

extension PostgresError {
  /// - Parameter constraint: the constraint that must have been violated; `nil` for any.
  public func isUniqueViolation(_ constraint: String? = nil) -> Bool {
    violates("23505", constraint)
  }

  public func isForeignKeyViolation(_ constraint: String? = nil) -> Bool {
    violates("23503", constraint)
  }

  public func isCheckViolation(_ constraint: String? = nil) -> Bool {
    violates("23514", constraint)
  }

  /// A conflict with a concurrent transaction, a deadlock included. The transaction was undone.
  public var isSerializationFailure: Bool { sqlState == "40001" || sqlState == "40P01" }

  /// There is no connection any more, or there was none.
  public var isConnectionLost: Bool {
    switch kind {
    case .connectFailed, .connectionLost: true
    case .server: Self.sessionEndings.contains(sqlState ?? "") || sqlState?.hasPrefix("08") == true
    default: false
    }
  }

  /// The server does not take writes: a standby, or a transaction declared READ ONLY.
  public var isReadOnly: Bool { sqlState == "25006" }

  public var isDiskFull: Bool { sqlState == "53100" }

  public var isLockTimeout: Bool { sqlState == "55P03" }

  public var isQueryCanceled: Bool { sqlState == "57014" }

  /// The statement was planned before a change of schema, or is unknown to this session.
  /// The connection prepares it anew on its next use.
  public var isStaleStatement: Bool {
    sqlState == "26000"
      || (sqlState == "0A000" && message == "cached plan must not change result type")
  }

  /// Nothing was changed, and the same work may succeed when tried again on the same lane.
  public var isRetryable: Bool {
    guard !outcomeUnknown else { return false }
    if isConnectionLost || isSerializationFailure || isLockTimeout || isStaleStatement {
      return true
    }
    return kind == .queueFull || isReadOnly || sqlState == "53300"
  }

  private func violates(_ state: String, _ name: String?) -> Bool {
    sqlState == state && (name == nil || name == constraint)
  }

  /// Shutdown by an administrator, crash, not yet started, database dropped, idle session or idle
  /// transaction timed out: after each the server has closed the session.
  private static let sessionEndings: Set<String> = [
    "57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04",
  ]
}

extension PostgresError: CustomStringConvertible {
  public var description: String {
    var text = "PostgreSQL: \(message)"
    if let sqlState { text += " [\(sqlState)]" }
    if let statement { text += ", statement \(statement)" }
    if let column { text += ", column \(column)" }
    if let constraint { text += ", constraint \(constraint)" }
    if outcomeUnknown { text += "; whether the change was made is unknown" }
    return text
  }
}

/// A notice or warning that the server sent beside its results.
public struct PostgresNotice: Sendable, Equatable {
  public var severity: String
  public var sqlState: String
  /// As in `PostgresError`: without values.
  public var message: String

  public var isWarning: Bool { severity == "WARNING" }
}
