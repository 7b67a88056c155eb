import ConsentCore
import ConsentStore
import Logging
import RPCServer
import SwiftProtobuf

extension ConsentService {
  /// Builds a method that shows records of patients: its access is logged before its answer leaves.
  func showing<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String, noSideEffects: Bool = false,
    _ handler:
      @escaping @Sendable (ConsentService, Request, Principal) async throws -> Shown<Response>
  ) -> RPCMethod {
    MethodTrail.require(path, leaves: [.access])
    return .unary(path, noSideEffects: noSideEffects) { (request: Request, context: CallContext) in
      let caller = try context.caller()
      return try await rendered(path) {
        let shown = try await handler(self, request, caller)
        return try await logged(shown, of: path, by: caller)
      }
    }
  }

  /// The same for a method that records something and can be tried.
  func recordingOrShowing<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String,
    _ handler:
      @escaping @Sendable (ConsentService, Request, Principal) async throws -> Told<Response>
  ) -> RPCMethod {
    MethodTrail.require(path, leaves: [.recordOrAccess])
    return .unary(path) { (request: Request, context: CallContext) in
      let caller = try context.caller()
      return try await rendered(path) {
        switch try await handler(self, request, caller) {
        case .recorded(let response): return response
        case .tried(let shown): return try await logged(shown, of: path, by: caller)
        }
      }
    }
  }

  /// The same for a method that answers with a stream: it is logged once, before the first message.
  func showingStream<Request: Message & Sendable, Response: Message & Sendable>(
    _ path: String,
    _ handler:
      @escaping @Sendable (ConsentService, Request, Principal) async throws ->
      ShownStream<Response>
  ) -> RPCMethod {
    MethodTrail.require(path, leaves: [.access])
    return .serverStreaming(path) {
      (request: Request, context: CallContext, writer: ResponseWriter<Response>) in
      let caller = try context.caller()
      try await rendered(path) {
        let stream = try await handler(self, request, caller)
        try await log(of: path, by: caller, stream.patients, stream.subject)
        try await stream.run(writer)
      }
    }
  }

  /// - Returns: the answer, once its access is logged.
  private func logged<Response>(
    _ shown: Shown<Response>, of path: String, by caller: Principal
  ) async throws -> Response {
    try await log(of: path, by: caller, shown.patients, shown.subject)
    return shown.response
  }

  /// Logs one access, in several records if it is of very many patients.
  ///
  /// INVARIANT: it returns only when the access is durable; whatever else happens, the answer does
  /// not leave.
  private func log(
    of path: String, by caller: Principal, _ patients: Set<PatientID>, _ subject: AccessSubject
  ) async throws {
    guard !accessDeviation.isOn(.forgetAccess) else { return }
    let accesses = Access.records(
      caller: caller.name, method: String(path.dropFirst()), patients: patients.sorted(),
      subject: subject.text, at: clock.now())
    if accessDeviation.isOn(.answerBeforeLogging) {
      Task { _ = try await store.log(accesses, of: caller.organization) }
      return
    }
    do {
      let logged = try await store.log(accesses, of: caller.organization)
      guard logged.count == accesses.count else { throw ServiceError.internalFault }
      accessed(true)
    } catch let error as CancellationError {
      throw error
    } catch {
      if accessDeviation.isOn(.answerUnlogged) { return }
      // What the store says of its failures holds no data; of anything else the type is told.
      let why = (error as? StoreError).map { "\($0)" } ?? "\(type(of: error))"
      accessed(false)
      logger.error("an access is not logged", metadata: ["method": "\(path)", "why": "\(why)"])
      throw ServiceError.unavailable("the access could not be logged, so nothing is shown")
    }
  }
}

extension Access {
  /// Patients in one record at most.
  static let patientsInRecord = 1_000

  /// One access as it is logged: in one record, or of many patients in several that differ in them.
  static func records(
    caller: String, method: String, patients: [PatientID], subject: String?, at: Instant
  ) -> [Access] {
    guard patients.count > patientsInRecord else {
      return [
        Access(caller: caller, method: method, patients: patients, subject: subject, at: at)
      ]
    }
    return stride(from: 0, to: patients.count, by: patientsInRecord).map { start in
      Access(
        caller: caller, method: method,
        patients: Array(patients[start..<min(start + patientsInRecord, patients.count)]),
        subject: subject, at: at)
    }
  }
}
