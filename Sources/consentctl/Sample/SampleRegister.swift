import ConsentProto
import Foundation

/// A small register to look at: invented patients, each showing one situation.
struct SampleRegister {
  static let system = "urn:sample:mrn"

  struct Person {
    var number: String
    var name: String
    var birthDate: String
    /// Study number to number of images.
    var studies: [Int]
    var papers: [SamplePaper]
  }

  struct SamplePaper {
    var kind: Consent_V1_InstrumentKind
    var capacity: Consent_V1_SignerCapacity = .individual
    var uses: [Consent_V1_Use] = [.education]
    var audiences: [Consent_V1_Audience]
    /// `nil` = the whole patient.
    var study: Int?
    var until: String? = "2035-12-31"
    var denies = false
  }

  static let people = [
    Person(
      number: "1001", name: "Ada Sample", birthDate: "1970-05-05", studies: [2, 3],
      papers: [SamplePaper(kind: .authorization, audiences: [.external], study: 0)]),
    Person(
      number: "1002", name: "Ben Sample", birthDate: "1984-02-29", studies: [4],
      papers: [
        SamplePaper(kind: .consent, audiences: [.ownWorkforce, .traineesSupervised])
      ]),
    Person(
      number: "1003", name: "Cleo Sample", birthDate: "1959-11-30", studies: [2],
      papers: [
        SamplePaper(
          kind: .refusal, audiences: [.external, .traineesSupervised, .ownWorkforce],
          until: "none", denies: true)
      ]),
    // The expiry is blank on the paper: recorded, defective, permits nothing.
    Person(
      number: "1004", name: "Dov Sample", birthDate: "1991-07-14", studies: [1, 1],
      papers: [SamplePaper(kind: .authorization, audiences: [.external], until: nil)]),
    Person(number: "1005", name: "Eva Sample", birthDate: "2002-03-08", studies: [3], papers: []),
    // Signed by a parent; ends when she comes of age.
    Person(
      number: "1006", name: "Fay Sample", birthDate: "2016-09-30", studies: [2],
      papers: [
        SamplePaper(
          kind: .authorization, capacity: .parent, audiences: [.external], until: "majority")
      ]),
  ]

  let connection: Connection

  /// - Returns: false if the register holds it already.
  func load() async throws -> Bool {
    guard let first = Self.people.first else { return false }
    var find = Consent_V1_FindPatientsRequest()
    find.identifier = Self.identifier(first.number)
    let found: Consent_V1_FindPatientsResponse = try await connection.unary(
      "RecordService/FindPatients", find)
    guard found.patients.isEmpty else { return false }
    let progress = Progress(title: "sample patients", total: Self.people.count)
    for (done, person) in Self.people.reversed().enumerated() {
      // The first person comes last, so that a load that was cut short is begun again; the keys
      // make what was loaded already come out as it is.
      try await load(person)
      progress.show(done + 1)
    }
    return true
  }

  static func identifier(_ number: String) -> Consent_V1_Identifier {
    Paper.Identifier(system: system, value: "S-" + number).message
  }

  static func study(_ person: Person, _ index: Int) -> String {
    "1.2.826.0.1.3680043.10.1234.\(person.number).\(index + 1)"
  }

  private func load(_ person: Person) async throws {
    var register = Consent_V1_RegisterPatientRequest()
    register.fields.identifiers = [Self.identifier(person.number)]
    register.fields.displayName = person.name
    register.fields.birthDate = try Keys.day(person.birthDate, field: "birth_date")
    register.idempotencyKey = "sample-patient-" + person.number
    let patient: Consent_V1_RegisterPatientResponse = try await connection.unary(
      "RecordService/RegisterPatient", register)

    var images = Consent_V1_RegisterImagesRequest()
    images.patient.patientID = patient.patient.patientID
    images.idempotencyKey = "sample-images-" + person.number
    for (index, count) in person.studies.enumerated() {
      images.images += try (0..<count).map { try Self.image(person, study: index, number: $0) }
    }
    let _: Consent_V1_RegisterImagesResponse = try await connection.unary(
      "RecordService/RegisterImages", images)

    for (index, paper) in person.papers.enumerated() {
      var request = try Self.request(paper, of: person)
      request.patientID = patient.patient.patientID
      request.secondIdentifier.birthDate = register.fields.birthDate
      request.idempotencyKey = "sample-paper-\(person.number)-\(index)"
      let _: Consent_V1_RecordInstrumentResponse = try await connection.unary(
        "RecordService/RecordInstrument", request)
    }
  }

  static func image(
    _ person: Person, study: Int, number: Int
  ) throws -> Consent_V1_ImageRegistration {
    let uid = Self.study(person, study)
    var image = Consent_V1_ImageRegistration()
    image.fields.key.sopInstanceUid = "\(uid).1.\(number + 1)"
    image.fields.kind = .dicomInstance
    image.fields.studyInstanceUid = uid
    image.fields.seriesInstanceUid = uid + ".1"
    image.fields.modality = study.isMultiple(of: 2) ? "DX" : "CT"
    image.fields.bodyPart = "CHEST"
    image.fields.department = "Radiology"
    image.fields.site = study.isMultiple(of: 2) ? "Main" : "North"
    image.fields.acquiredOn = try Keys.day("2025-02-0\(number + 1)", field: "acquired_on")
    return image
  }

  static func request(
    _ paper: SamplePaper, of person: Person
  ) throws -> Consent_V1_RecordInstrumentRequest {
    var recipient = Paper.Party(kind: "venue")
    (recipient.system, recipient.value) = ("urn:issn", "1234-5678")
    recipient.name = "Journal of Sample Films"
    var grant = Paper.Grant()
    grant.effect = paper.denies ? "deny" : "permit"
    grant.scope = paper.study.map { Paper.Scope(study: study(person, $0)) }
    grant.presentOnly = false
    grant.uses = paper.uses.map(Words.word)
    grant.audiences = paper.audiences.map(Words.word)
    grant.recipients = paper.audiences.contains(.external) && !paper.denies ? [recipient] : nil
    grant.until = paper.until
    let parent = paper.capacity == .parent
    var whole = Paper(
      patient: "", kind: Words.word(paper.kind), information: "the films of 2025",
      grants: [grant])
    whole.statements = .init(rightToRevoke: true, conditioning: true, redisclosure: true)
    whole.signer = Paper.Signer(
      capacity: Words.word(paper.capacity), authority: parent ? "mother" : nil,
      representative: parent ? Paper.Identifier(system: "urn:sample:person", value: "m") : nil)
    whole.signed = "2025-03-01"
    whole.received = "2025-03-02T15:00:00Z"
    whole.signaturePresent = true
    return try whole.request(patientID: "", key: "")
  }
}
