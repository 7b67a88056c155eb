import ConsentProto
import Foundation

extension Paper {
  /// The request that records this paper.
  func request(patientID: String, key: String) throws -> Consent_V1_RecordInstrumentRequest {
    var request = Consent_V1_RecordInstrumentRequest()
    request.patientID = patientID
    request.idempotencyKey = key
    if let day = second?.birthDate {
      request.secondIdentifier.birthDate = try Keys.day(day, field: "second.birth_date")
    } else if let identifier = second?.identifier {
      request.secondIdentifier.identifier = identifier.message
    }
    request.instrument = try fields()
    return request
  }

  func fields() throws -> Consent_V1_InstrumentFields {
    var fields = Consent_V1_InstrumentFields()
    fields.kind = try Words.value(kind, field: "kind")
    if let form {
      fields.form.formID = form.id
      fields.form.version = form.version
    } else if let statements {
      fields.statements.rightToRevoke = stated(statements.rightToRevoke)
      fields.statements.conditioning = stated(statements.conditioning)
      fields.statements.redisclosure = stated(statements.redisclosure)
    }
    if let signer { fields.signer = try signer.message() }
    if let signed { fields.signed = try Keys.signed(signed, field: "signed") }
    if let received { fields.receivedAt = try Keys.instant(received, field: "received") }
    fields.signaturePresent = stated(signaturePresent)
    fields.informationDescribed = information ?? ""
    fields.patientNamed = .yes
    var part = Consent_V1_InstrumentPart()
    part.number = 1
    part.grants = try grants.enumerated().map { try $1.message(at: "grants[\($0)]") }
    fields.parts = [part]
    return fields
  }
}

func stated(_ answer: Bool?) -> Consent_V1_Stated {
  answer.map { $0 ? .yes : .no } ?? .unspecified
}

extension Paper.Identifier {
  var message: Consent_V1_Identifier {
    var identifier = Consent_V1_Identifier()
    (identifier.system, identifier.value) = (system, value)
    return identifier
  }
}

extension Paper.Signer {
  func message() throws -> Consent_V1_Signer {
    var signer = Consent_V1_Signer()
    signer.capacity = try Words.value(capacity, field: "signer.capacity")
    if let authority { signer.authorityDescription = authority }
    if let representative { signer.representative = representative.message }
    if let verifiedBy { signer.verifiedBy = verifiedBy }
    return signer
  }
}

extension Paper.Party {
  func message(at place: String) throws -> Consent_V1_Party {
    var party = Consent_V1_Party()
    party.kind = try Words.value(kind, field: place + ".kind")
    if let value {
      guard let system else {
        throw CommandFailure.data("\(place).system is missing: who issued \(value)?")
      }
      party.identifier = Paper.Identifier(system: system, value: value).message
    }
    if let name { party.name = name }
    if let address { party.address = address }
    return party
  }
}

extension Paper.Grant {
  func message(at place: String) throws -> Consent_V1_GrantTerms {
    var terms = Consent_V1_GrantTerms()
    terms.effect = try Words.value(effect ?? "permit", field: place + ".effect")
    terms.scope = try message(scope, at: place + ".scope")
    terms.reach = presentOnly ?? true ? .presentOnly : .presentAndFuture
    terms.uses = try (uses ?? []).map { try Words.value($0, field: place + ".uses") }
    terms.audiences = try (audiences ?? []).map { try Words.value($0, field: place + ".audiences") }
    terms.channels = try (channels ?? []).map { try Words.value($0, field: place + ".channels") }
    terms.recipients = try parties(recipients, at: place + ".recipients")
    terms.disclosers = try parties(disclosers, at: place + ".disclosers")
    if let from { terms.effectiveFrom = try Keys.signed(from, field: place + ".from") }
    switch until {
    case nil: break
    case "majority": terms.expiry.atMajority = .init()
    case "none": terms.expiry.none = .init()
    case let event? where event.hasPrefix("event:"):
      terms.expiry.expiryEventID = String(event.dropFirst(6))
    case let day?: terms.expiry.until = try Keys.day(day, field: place + ".until")
    }
    return terms
  }

  private func parties(_ list: [Paper.Party]?, at place: String) throws -> [Consent_V1_Party] {
    try (list ?? []).enumerated().map { try $1.message(at: "\(place)[\($0)]") }
  }

  private func message(_ scope: Paper.Scope?, at place: String) throws -> Consent_V1_Scope {
    var message = Consent_V1_Scope()
    let given = [scope?.image, scope?.series, scope?.study].compactMap { $0 }
    guard given.count <= 1 else {
      throw CommandFailure.data("\(place): give one of image, series, study; one line a scope")
    }
    if let image = scope?.image {
      message.image = try Keys.image(image)
    } else if let series = scope?.series {
      message.seriesInstanceUid = series
    } else if let study = scope?.study {
      message.studyInstanceUid = study
    } else {
      message.patient = .init()
    }
    return message
  }
}
