import ConsentCore
import ConsentProto
import ConsentStore
import Crypto
import SwiftProtobuf

/// A request that records something: the conventions of writes.
protocol RecordingRequest: Message, Sendable {
  var idempotencyKey: String { get }
  var hasRecordedBy: Bool { get }
  var recordedBy: Consent_V1_Identifier { get }
  var hasMinPosition: Bool { get }
  var minPosition: Consent_V1_FeedPosition { get }
}

/// An answer that names the state it was taken from.
protocol PositionedResponse: Message, Sendable {
  var position: Consent_V1_FeedPosition { get set }
}

/// What the conventions of writes say of one request.
struct RecordingConventions {
  /// Who is told as having recorded it: the caller, with the member of staff if one is named.
  var recorder: String?
  var minPosition: KnownPosition?
}

extension RequestReader {
  /// - Parameter isKeyed: false where nothing is recorded, so that no key is asked for.
  @discardableResult
  mutating func conventions(
    _ request: some RecordingRequest, isKeyed: Bool = true
  ) -> RecordingConventions {
    if isKeyed { _ = idempotencyKey(request.idempotencyKey) }
    let staff = identifier(request.hasRecordedBy ? request.recordedBy : nil, "recorded_by")
    let position = minPosition(request.hasMinPosition ? request.minPosition : nil)
    return RecordingConventions(
      recorder: staff.map { $0.system + "|" + $0.value }, minPosition: position)
  }
}

/// One write under way, under the organization's lock.
struct Recording {
  let writer: any FactWriter
  let calendar: LocalCalendar
  let caller: Principal
  /// Who is told as having recorded it.
  let recorder: String

  var now: Instant { writer.now }
  var clock: CommandClock { CommandClock(now: now, today: calendar.day(of: now)) }

  func builder(_ facts: Facts) -> ChangeBuilder { ChangeBuilder(facts: facts, clock: clock) }
}

extension ConsentService {
  /// Runs one idempotent write and answers with its reply, the first one if the key was used.
  ///
  /// The caller's key counts for the caller, whoever of its staff is named.
  ///
  /// - Parameters:
  ///   - patient: whose facts `body` asks for, if it asks for one patient's.
  ///   - body: may run again; it has no effect but through the writer, and leaves the
  ///     position of its response alone.
  func record<Request: RecordingRequest, Response: PositionedResponse>(
    _ request: Request, by caller: Principal, about patient: PatientID? = nil,
    _ body: @Sendable @escaping (Recording) throws -> Response
  ) async throws -> Response {
    let conventions = try RequestReader.read { $0.conventions(request) }
    let calendar = try calendars[caller.organization]
    let recorder = caller.recorder(conventions.recorder)
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    let content: [UInt8] = try request.serializedBytes(options: options)
    var hash = SHA256()
    hash.update(data: Array(Request.protoMessageName.utf8))
    hash.update(data: content)
    let receipt = try await store.write(
      caller.organization, by: recorder,
      key: IdempotencyKey(
        caller: caller.name, key: request.idempotencyKey, contentSHA256: Array(hash.finalize())),
      about: patient
    ) { writer in
      try conventions.minPosition?.require(in: writer)
      let recording = Recording(
        writer: writer, calendar: calendar, caller: caller, recorder: recorder)
      return try body(recording).serializedBytes()
    }
    changed(caller.organization)
    var response = try Response(serializedBytes: receipt.reply)
    response.position = Consent_V1_FeedPosition(receipt.head)
    return response
  }

  /// Reads one consistent state and names it in the answer.
  func look<Response: PositionedResponse>(
    by caller: Principal, minPosition: KnownPosition?,
    _ body: @Sendable @escaping (any FactReader, LocalCalendar) throws -> Response
  ) async throws -> Response {
    let calendar = try calendars[caller.organization]
    return try await store.read(caller.organization) { reader in
      try minPosition?.require(in: reader)
      var response = try body(reader, calendar)
      response.position = Consent_V1_FeedPosition(reader.head)
      return response
    }
  }

  /// The same for an answer that shows records of patients.
  func show<Response: PositionedResponse>(
    by caller: Principal, minPosition: KnownPosition?,
    _ body: @Sendable @escaping (any FactReader, LocalCalendar) throws -> Shown<Response>
  ) async throws -> Shown<Response> {
    let calendar = try calendars[caller.organization]
    return try await store.read(caller.organization) { reader in
      try minPosition?.require(in: reader)
      var shown = try body(reader, calendar)
      shown.response.position = Consent_V1_FeedPosition(reader.head)
      return shown
    }
  }
}

extension Principal {
  fileprivate static let through = " via "

  /// `urn:staff|jd via frontdesk`, or the caller alone.
  func recorder(_ staff: String?) -> String { staff.map { $0 + Principal.through + name } ?? name }
}

extension Consent_V1_Identifier {
  /// Who recorded something, from the text it is kept as.
  init(recorder text: String) {
    self.init()
    value = text
    guard let via = text.ranges(of: Principal.through).last,
      let bar = text[..<via.lowerBound].firstIndex(of: "|")
    else { return }
    system = String(text[..<bar])
    value = String(text[text.index(after: bar)..<via.lowerBound])
  }
}
