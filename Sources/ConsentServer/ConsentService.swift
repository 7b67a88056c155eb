public import Checking
public import ConsentCore
public import ConsentStore
public import EventFeed
public import Logging
public import RPCServer

import Crypto
import SwiftProtobuf

/// What every handler works with. One value; handlers are its extensions, one file per RPC.
public struct ConsentService: Sendable {
  let store: any ConsentStore
  let checker: Checker
  let clock: any WallClock
  let calendars: Calendars
  let watch: WatchHub
  /// Told after each committed change, so that watchers and the expiry scheduler look at once.
  let changed: @Sendable (OrganizationID) -> Void
  /// Told of each access, whether it was logged; one that was not was not answered.
  let accessed: @Sendable (_ isLogged: Bool) -> Void
  let logger: Logger
  /// Ways in which a test has it answer without a trail.
  var accessDeviation = AccessDeviation()

  /// - Parameter checker: of the same store; `nil` makes one.
  public init(
    store: any ConsentStore, checker: Checker? = nil, clock: any WallClock, calendars: Calendars,
    watch: WatchHub, changed: @escaping @Sendable (OrganizationID) -> Void,
    accessed: @escaping @Sendable (_ isLogged: Bool) -> Void = { _ in }, logger: Logger
  ) {
    let checker = checker ?? Checker(store: store, clock: clock)
    self.store = store
    self.checker = checker
    self.clock = clock
    self.calendars = calendars
    self.watch = watch
    self.changed = { organization in
      checker.changed(organization)
      changed(organization)
    }
    self.accessed = accessed
    self.logger = logger
  }

  /// The whole method table of package `consent.v1`.
  public var methods: [RPCMethod] {
    checkMethods + recordMethods + eventMethods + reportMethods + auditMethods
  }
}

/// One calendar an organization.
public struct Calendars: Sendable {
  private let byOrganization: [OrganizationID: LocalCalendar]

  /// - Throws: names an organization whose time zone is unknown on this machine.
  public init(_ organizations: [OrganizationSettings]) throws(ServiceStartError) {
    var calendars: [OrganizationID: LocalCalendar] = [:]
    for organization in organizations {
      guard let calendar = LocalCalendar(timeZone: organization.timeZone) else {
        throw ServiceStartError(
          "organization \(organization.id): time zone \(organization.timeZone) is unknown here; "
            + "use an IANA name and install the time zone data (Debian package tzdata)")
      }
      calendars[organization.id] = calendar
    }
    byOrganization = calendars
  }

  subscript(organization: OrganizationID) -> LocalCalendar {
    get throws(ServiceError) {
      guard let calendar = byOrganization[organization] else {
        throw ServiceError.notFound(kind: "organization", name: organization.description)
      }
      return calendar
    }
  }
}

public struct ServiceStartError: Error, CustomStringConvertible, Sendable {
  public var description: String
  public init(_ description: String) { self.description = description }
}

extension ConsentService {
  /// Builds one unary method that shows no records of patients: caller, handler, one mapping of
  /// errors. Those that do are built by `showing`.
  func unary<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    _ handler:
      @escaping @Sendable (ConsentService, Request, Principal) async throws -> Response
  ) -> RPCMethod {
    MethodTrail.require(path, leaves: [.decision, .record, .nothing])
    return .unary(path, noSideEffects: noSideEffects) {
      (request: Request, context: CallContext) in
      let caller = try context.caller()
      return try await rendered(path) { try await handler(self, request, caller) }
    }
  }

  /// Runs `work`; what it throws becomes the one error a caller reads, and a fault is logged with
  /// its type only, because its text may hold data.
  func rendered<Result>(
    _ path: String, _ work: () async throws -> Result
  ) async throws -> Result {
    do {
      return try await work()
    } catch {
      throw rendered(error, path)
    }
  }

  /// The same for an error that was not thrown.
  func rendered(_ error: any Error, _ path: String) -> any Error {
    error is RPCError || error is CancellationError ? error : render(error, path)
  }

  func render(_ error: any Error, _ path: String) -> RPCError {
    if case .unavailable(let why)? = error as? StoreError {
      logger.error("store unavailable", metadata: ["method": "\(path)", "why": "\(why)"])
    }
    if case .unreadable(let why)? = error as? StoreError {
      logger.critical("store unreadable", metadata: ["method": "\(path)", "why": "\(why)"])
    }
    guard let known = ServiceError(mapping: error) else {
      logger.error("fault", metadata: ["method": "\(path)", "type": "\(type(of: error))"])
      return ServiceError.internalFault.rpcError
    }
    return known.rpcError
  }

  /// A method that the surface names and this version does not serve.
  func unimplemented<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, _ request: Request.Type, _ response: Response.Type
  ) -> RPCMethod {
    .unary(path) { (_: Request, context: CallContext) throws -> Response in
      throw ServiceError.unimplemented(method: context.method.name).rpcError
    }
  }
}

extension ConsentService {
  /// Runs one idempotent write and answers with its reply, the first one if the key was used.
  ///
  /// - Parameter body: returns the response without its position, which is the position of the
  ///   change and is put in by `positioned` from the receipt.
  func write<Request: Message, Response: Message>(
    _ request: Request, key: String, by caller: Principal,
    _ body: @Sendable @escaping (any FactWriter) throws -> Response,
    positioned: (inout Response, FeedHead) -> Void
  ) async throws -> Response {
    guard !key.isEmpty else {
      throw ServiceError.invalid("idempotency_key", "is required: a key of your own, one a change")
    }
    guard key.utf8.count <= 128 else {
      throw ServiceError.invalid("idempotency_key", "is longer than 128 bytes")
    }
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    let content: [UInt8] = try request.serializedBytes(options: options)
    var hash = SHA256()
    hash.update(data: Array(Request.protoMessageName.utf8))
    hash.update(data: content)
    let receipt = try await store.write(
      caller.organization, by: caller.name,
      key: IdempotencyKey(caller: caller.name, key: key, contentSHA256: Array(hash.finalize()))
    ) { writer in try body(writer).serializedBytes() }
    changed(caller.organization)
    var response = try Response(serializedBytes: receipt.reply)
    positioned(&response, receipt.head)
    return response
  }
}
