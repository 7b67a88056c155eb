internal import ConsentCore
internal import Foundation

/// A record as JSON, without its stamp: that is in columns.
enum RecordBody {
  static func encode(_ record: Record) throws -> Cell {
    var record = record
    record.stamp = .unstamped
    let json =
      switch record {
      case .patient(let r): try encode(r)
      case .merge(let r): try encode(r)
      case .unmerge(let r): try encode(r)
      case .image(let r): try encode(r)
      case .form(let r): try encode(r)
      case .instrument(let r): try encode(r)
      case .revocation(let r): try encode(r)
      case .enteredInError(let r): try encode(r)
      case .falseInformation(let r): try encode(r)
      case .authorityEvidence(let r): try encode(r)
      case .restrictionEnd(let r): try encode(r)
      case .expiryEvent(let r): try encode(r)
      case .expiryEventResolution(let r): try encode(r)
      case .determination(let r): try encode(r)
      case .determinationWithdrawal(let r): try encode(r)
      case .policy(let r): try encode(r)
      }
    return .json(json)
  }

  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  /// - Returns: `nil` when this version cannot read the body.
  static func decode(_ kind: RecordKind, _ json: [UInt8], stamp: Stamp) -> Record? {
    var record: Record? =
      switch kind {
      case .unmerge: decode(json).map(Record.unmerge)
      case .form: decode(json).map(Record.form)
      case .instrument: decode(json).map(Record.instrument)
      case .revocation: decode(json).map(Record.revocation)
      case .enteredInError: decode(json).map(Record.enteredInError)
      case .falseInformation: decode(json).map(Record.falseInformation)
      case .authorityEvidence: decode(json).map(Record.authorityEvidence)
      case .restrictionEnd: decode(json).map(Record.restrictionEnd)
      case .expiryEvent: decode(json).map(Record.expiryEvent)
      case .expiryEventResolution: decode(json).map(Record.expiryEventResolution)
      case .determination: decode(json).map(Record.determination)
      case .determinationWithdrawal: decode(json).map(Record.determinationWithdrawal)
      case .policy: decode(json).map(Record.policy)
      case .patient, .merge, .image: nil
      }
    record?.stamp = stamp
    return record
  }

  static func decode<Value: Decodable>(_ json: [UInt8]) -> Value? {
    try? JSONDecoder().decode(Value.self, from: Data(json))
  }
}
