import ConsentCore
import ConsentStore
import EventFeed
import RPCServer
import RPCWire
import Reporting
import Testing

@testable import ConsentServer

/// Every error of every layer has its status, and none says what it must not.
struct ErrorMappingTests {
  static let mapped: [(any Error & Sendable, RPCCode)] = [
    (StoreError.unavailable("host db7 port 5432"), .unavailable),
    (StoreError.overloaded, .resourceExhausted),
    (StoreError.idempotencyConflict, .alreadyExists),
    (StoreError.unknownOrganization, .notFound),
    (StoreError.duplicateEvent(kind: .grantRevoked, subject: "s"), .failedPrecondition),
    (StoreError.grantEnded(GrantID(high: 1, low: 1)), .failedPrecondition),
    (StoreError.unreadable("column x"), .internal),
    (CommandRefusal.invalid([.init("a", "b")]), .invalidArgument),
    (CommandRefusal.notAllowed(rule: "r", description: "d"), .failedPrecondition),
    (
      CommandRefusal.unknownRecord(.init(kind: .form, id: RecordID(high: 1, low: 1))), .notFound
    ),
    (WatchError.historyReplaced(at: 1), .failedPrecondition),
    (WatchError.unavailable, .unavailable),
    (WatchError.tooManyStreams, .resourceExhausted),
    (ReportError.tooManyRows(limit: 1), .failedPrecondition),
    (ReportError.notFound(.revocation), .notFound),
    (ReportError.grantNotFound, .notFound),
    (ReportError.outOfRange("x"), .invalidArgument),
    (InvalidChange("twice"), .failedPrecondition),
    (ServiceError.aborted("x"), .aborted),
    (ServiceError.replayDiffers(["effect"]), .dataLoss),
    (ServiceError.logDiffers(log: "x"), .dataLoss),
    (ServiceError.unauthenticated("x"), .unauthenticated),
    (ServiceError.permissionDenied(method: "x"), .permissionDenied),
    (ServiceError.unimplemented(method: "x"), .unimplemented),
  ]

  @Test(arguments: mapped.indices)
  func anErrorHasItsStatus(index: Int) throws {
    let (error, code) = Self.mapped[index]
    let rendered = try #require(ServiceError(mapping: error)).rpcError
    #expect(rendered.code == code)
    #expect(rendered.details.first?.typeName == "google.rpc.ErrorInfo")
    let retries = rendered.details.contains { $0.typeName == "google.rpc.RetryInfo" }
    #expect(retries == (code == .unavailable || code == .resourceExhausted))
  }

  @Test func whatTheDatabaseSaidStaysInTheLog() throws {
    for error in [StoreError.unavailable("host db7"), .unreadable("column x")] {
      let rendered = try #require(ServiceError(mapping: error)).rpcError
      #expect(!rendered.message.contains("db7"))
      #expect(!rendered.message.contains("column"))
    }
  }

  @Test func anUnknownErrorIsAFaultWithAFixedText() async throws {
    struct Secret: Error { let text = "Zebulon Quillfeather" }
    #expect(ServiceError(mapping: Secret()) == nil)
    let rendered = try await RecordDesk().service.render(Secret(), "/x.Y/Z")
    #expect(rendered.code == .internal)
    #expect(!rendered.message.contains("Zebulon"))
  }
}
