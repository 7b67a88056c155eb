import ConsentCore
import ConsentProto
import SwiftProtobuf

extension Obligation {
  /// `nil` for a kind that a paper or a policy cannot set: an override's review is the service's.
  init?(_ kind: Consent_V1_ObligationKind) {
    switch kind {
    case .removeBurnedInIdentifiers: self = .removeBurnedInIdentifiers
    case .stripMetadata: self = .stripMetadata
    case .cropToRegion: self = .cropToRegion
    case .limitToRecipient: self = .limitToRecipient
    case .askReceiverNotToRedisclose: self = .askReceiverNotToRedisclose
    case .part2Notice: self = .part2Notice
    case .reviewWithin, .unspecified, .UNRECOGNIZED: return nil
    }
  }

  var kind: Consent_V1_ObligationKind {
    switch self {
    case .removeBurnedInIdentifiers: .removeBurnedInIdentifiers
    case .stripMetadata: .stripMetadata
    case .cropToRegion: .cropToRegion
    case .limitToRecipient: .limitToRecipient
    case .askReceiverNotToRedisclose: .askReceiverNotToRedisclose
    case .part2Notice: .part2Notice
    case .reviewWithin: .reviewWithin
    }
  }
}

extension Consent_V1_Obligation {
  /// - Parameter request: names the one receiver of LIMIT_TO_RECIPIENT.
  init(_ obligation: Obligation, request: CheckRequest?) {
    self.init()
    kind = obligation.kind
    switch obligation {
    case .reviewWithin(let hours):
      within = Google_Protobuf_Duration(seconds: Int64(clamping: hours) * 3_600, nanos: 0)
    case .limitToRecipient:
      if let recipient = request?.recipient { self.recipient = Consent_V1_Party(recipient) }
    case .removeBurnedInIdentifiers, .stripMetadata, .cropToRegion, .askReceiverNotToRedisclose,
      .part2Notice:
      break
    }
  }
}
