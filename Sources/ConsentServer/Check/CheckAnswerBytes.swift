import ConsentCore
import ConsentProto
import ConsentStore
import ProofLog
import SwiftProtobuf

// The answer of a check, written as SwiftProtobuf writes `Consent_V1_CheckResponse(_:to:)`, byte for
// byte (a property test holds them against each other), without the message: its classes and the two
// walks over it cost more than the decision.

extension ProtobufWriter {
  /// CheckResponse.
  ///
  /// - Parameter decision: what the caller may see of it.
  static func checkResponse(_ logged: LoggedDecision, visible decision: Decision) -> [UInt8] {
    var writer = ProtobufWriter(capacity: 768)
    writer.put(1) { $0.decision(logged, decision) }
    return writer.message
  }

  private mutating func decision(_ logged: LoggedDecision, _ decision: Decision) {
    put(12, UInt64(UInt32(clamping: decision.rulesVersion)))
    put(11, UInt64(clamping: decision.policyVersion))
    put(10) { $0.receipt(logged) }
    let written = count
    write(decimal: logged.id.leaf)
    byte(UInt8(ascii: ":"))
    write(uuid: logged.id.log.high, logged.id.log.low)
    end(9, after: count - written)
    put(8) {
      $0.put(2, logged.head.chain)
      $0.put(1, logged.head.position)
    }
    put(7) { $0.timestamp(decision.at) }
    if let until = decision.validUntil { put(6) { $0.timestamp(until) } }
    let request = logged.entry.request
    for obligation in decision.obligations.reversed() {
      put(5) { $0.obligation(obligation, request) }
    }
    for record in decision.records.reversed() { put(4) { $0.record(record, request.image) } }
    for reason in decision.further.reversed() { detail(reason, decision) }
    detail(decision.primary, decision)
    put(2, UInt64(decision.primary.rawValue))
    put(1, UInt64(decision.effect.rawValue))
  }

  private mutating func receipt(_ logged: LoggedDecision) {
    if let place = logged.receipt {
      put(6, place.signature)
      put(5, place.epoch)
      put(4, place.root.bytes)
      put(3, place.treeSize)
    }
    put(2, logged.id.leaf)
    uuid(1, logged.id.log)
  }

  private mutating func timestamp(_ instant: Instant) {
    let (seconds, nanos) = instant.stamp
    put(2, UInt64(bitPattern: Int64(nanos)))
    put(1, UInt64(bitPattern: seconds))
  }

  private mutating func detail(_ reason: Reason, _ decision: Decision) {
    let known = reason == .authorizationIncomplete ? nil : ReasonBytes.plain[Int(reason.rawValue)]
    put(3, message: known ?? ReasonBytes.of(Consent_V1_ReasonDetail.detail(reason, decision)))
  }

  private mutating func record(_ record: DecidingRecord, _ image: ImageKey) {
    if !record.defects.isEmpty {
      let written = count
      for element in record.defects.reversed() { varint(UInt64(element.rawValue)) }
      end(5, after: count - written)
    }
    put(4, UInt64(record.reason.rawValue))
    if let grant = record.grant { uuid(3, grant) }
    put(2) { $0.reference(record, image) }
    put(1, UInt64(record.part.rawValue))
  }

  private mutating func reference(_ record: DecidingRecord, _ image: ImageKey) {
    put(3, UInt64(clamping: record.version))
    switch record.record.kind {
    case .image: put(2, image.text)
    case .policy where record.version > 0: put(2, String(record.version))
    default: uuid(2, record.record.id)
    }
    put(1, UInt64(record.record.kind.rawValue))
  }

  private mutating func obligation(_ obligation: Obligation, _ request: CheckRequest) {
    switch obligation {
    case .reviewWithin:
      let within = Consent_V1_Obligation(obligation, request: nil).within
      put(4) { $0.put(1, UInt64(bitPattern: within.seconds)) }
    case .limitToRecipient:
      if let recipient = request.recipient { put(3) { $0.party(recipient) } }
    case .removeBurnedInIdentifiers, .stripMetadata, .cropToRegion, .askReceiverNotToRedisclose,
      .part2Notice:
      break
    }
    put(1, UInt64(obligation.kind.rawValue))
  }

  private mutating func party(_ party: Party) {
    for identifier in party.memberOf.reversed() { put(5) { $0.identifier(identifier) } }
    // Of these the presence is told, so that empty text is written.
    if let address = party.address { end(4, after: write(address)) }
    if let name = party.name { end(3, after: write(name)) }
    if let identifier = party.identifier { put(2) { $0.identifier(identifier) } }
    put(1, UInt64(party.kind.rawValue))
  }

  private mutating func identifier(_ identifier: Identifier) {
    put(2, identifier.value)
    put(1, identifier.system)
  }

  private mutating func uuid<Subject>(_ field: UInt8, _ id: ID<Subject>) {
    write(uuid: id.high, id.low)
    end(field, after: 36)
  }
}

/// The words of reasons, written once.
private enum ReasonBytes {
  /// By the reason's number; `nil` for a number that is none.
  static let plain: [[UInt8]?] = {
    let count = 1 + (Reason.allCases.map { Int($0.rawValue) }.max() ?? 0)
    return (0..<count).map { number in
      Reason(number: number).map { reason in
        of(Consent_V1_ReasonDetail(reason, field: reason.lackingField?.description ?? ""))
      }
    }
  }()

  static func of(_ detail: Consent_V1_ReasonDetail) -> [UInt8] {
    // Writing fails for proto2 messages that lack required fields, and there are none.
    (try? detail.serializedBytes()) ?? []
  }
}
