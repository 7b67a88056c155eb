import ConsentCore
import ConsentProto

extension Consent_V1_InstrumentDefect {
  init(_ defect: Defect, of paper: Instrument) {
    self.init()
    element = defect.element.proto()
    partNumber = UInt32(defect.part ?? 0)
    sentence = defect.element.sentence
    paragraph =
      paper.kind == .part2Consent ? "42 CFR 2.31" : defect.element.paragraph
  }
}

extension DefectElement {
  /// What to do about it, for the front desk.
  var sentence: String {
    switch self {
    case .informationDescription: "Ask for a specific description of the images meant."
    case .discloser: "Ask who may disclose the images."
    case .recipient: "Ask who may receive the images, by name or class."
    case .purpose: "Ask for each purpose the images may be used for."
    case .expiry: "Ask for a date or event on which it ends; \"none\" is for research only."
    case .signature: "Have the paper signed."
    case .signatureDate: "Have the signature dated."
    case .representativeAuthority: "Ask for a description of the representative's authority."
    case .rightToRevoke:
      "The statement of the right to revoke, and how, is missing; use a full form."
    case .conditioning:
      "The statement whether treatment depends on signing is missing; use a full form."
    case .redisclosure: "The statement on redisclosure by the receiver is missing; use a full form."
    case .compound: "Have it signed apart from the other document."
    case .conditioned: "Treatment must not depend on it; have it signed again, freely."
    case .signerAuthority:
      "The signer's authority does not reach this use or day; ask who may sign."
    case .organizationElement: "Complete what the organization asks of a consent."
    }
  }

  /// Of 45 CFR.
  var paragraph: String {
    switch self {
    case .informationDescription: "164.508(c)(1)(i)"
    case .discloser: "164.508(c)(1)(ii)"
    case .recipient: "164.508(c)(1)(iii)"
    case .purpose: "164.508(c)(1)(iv)"
    case .expiry: "164.508(c)(1)(v)"
    case .signature, .signatureDate, .representativeAuthority: "164.508(c)(1)(vi)"
    case .rightToRevoke: "164.508(c)(2)(i)"
    case .conditioning: "164.508(c)(2)(ii)"
    case .redisclosure: "164.508(c)(2)(iii)"
    case .compound: "164.508(b)(3)"
    case .conditioned: "164.508(b)(4)"
    case .signerAuthority: "164.502(g)"
    case .organizationElement: "164.506(b)(1)"
    }
  }
}
