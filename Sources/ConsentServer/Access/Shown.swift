import ConsentCore
import RPCServer
import SwiftProtobuf

/// An answer, and whose records it shows: what is logged of it before it leaves.
struct Shown<Response: Sendable>: Sendable {
  var response: Response
  /// Whose records it shows, and who was asked for even if nothing is shown of them. An answer on a
  /// de-identified image names nobody, and neither does its access.
  var patients: Set<PatientID>
  /// What was asked for besides.
  var subject: AccessSubject

  init(
    _ response: Response, of patients: some Sequence<PatientID>, subject: AccessSubject = [:]
  ) {
    self.response = response
    self.patients = Set(patients)
    self.subject = subject
  }

  /// - Parameters:
  ///   - named: patients as the answer names them; an empty text is nobody.
  ///   - asked: the patients asked for.
  init(
    _ response: Response, naming named: [String], asked: [PatientID] = [],
    subject: AccessSubject = [:]
  ) {
    self.init(response, of: named.compactMap { PatientID($0) } + asked, subject: subject)
  }
}

/// What a method answers that records something, or tries it.
enum Told<Response: Sendable>: Sendable {
  case recorded(Response)
  case tried(Shown<Response>)

  var response: Response {
    switch self {
    case .recorded(let response): response
    case .tried(let shown): shown.response
    }
  }
}

/// A stream that is about to begin, and whose records it will show: logged before its first message.
struct ShownStream<Response: Message & Sendable>: Sendable {
  var patients: Set<PatientID>
  var subject: AccessSubject
  /// Sends its messages to the end.
  var run: @Sendable (ResponseWriter<Response>) async throws -> Void
}
