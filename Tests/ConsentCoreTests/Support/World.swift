import ConsentCore

/// Facts in a compact notation: statements separated by `;`, words by spaces, options `key=value`.
///
/// The first word says what is recorded. Names such as `P1` or `G3` stand for ids of a letter and a
/// number, ordered by both. Statements get positions 1, 2, … in the order written. Days are
/// `2026-03-01`, instants `2026-06-10T14:05:00Z`, lists have commas. Tables/README.md has the
/// whole of it.
struct World {
  var facts = Facts()
  private var position: UInt64 = 0

  struct NotationError: Error, CustomStringConvertible {
    let description: String
  }

  init(_ text: String, named setups: [String: String] = [:]) throws {
    try add(text, named: setups)
  }

  mutating func add(_ text: String, named setups: [String: String] = [:]) throws {
    for statement in text.split(separator: ";") {
      let words = Words(statement)
      guard let verb = words.verb else { continue }
      if verb == "use" {
        guard let setup = setups[try words.at(1)] else {
          throw NotationError(description: "no setup \(statement)")
        }
        try add(setup, named: setups)
      } else {
        try record(verb, words)
      }
    }
  }

  private mutating func stamp(_ words: Words, default day: String = "2026-01-01") throws -> Stamp {
    position += 1
    return Stamp(
      position: position, recorded: try instant(words["recorded"] ?? day), by: "clerk")
  }

  private mutating func record(_ verb: String, _ words: Words) throws {
    switch verb {
    case "patient": facts.insert(.patient(try patient(words)))
    case "image": facts.insert(.image(try image(words)))
    case "paper": try paper(words)
    case "line": try line(words)
    case "revoke": facts.insert(.revocation(try revocation(words)))
    case "error":
      let target = try words.require("target").split(separator: ":")
      facts.insert(
        .enteredInError(
          EnteredInError(
            id: try id(try words.at(1)), target: try reference(target), note: "wrong",
            stamp: try stamp(words))))
    case "false":
      facts.insert(
        .falseInformation(
          FalseInformation(
            id: try id(try words.at(1)), instrument: try id(try words.require("paper")),
            note: "false", stamp: try stamp(words))))
    case "evidence":
      facts.insert(
        .authorityEvidence(
          AuthorityEvidence(
            id: try id(try words.at(1)), instrument: try id(try words.require("paper")),
            finding: words["finding"] == "establishes" ? .establishesAuthority : .showsNoAuthority,
            verifiedBy: "records", note: "", stamp: try stamp(words))))
    case "endrestriction":
      facts.insert(
        .restrictionEnd(
          RestrictionEnd(
            id: try id(try words.at(1)), instrument: try id(try words.require("paper")), note: "",
            stamp: try stamp(words))))
    case "event":
      facts.insert(
        .expiryEvent(
          ExpiryEvent(
            id: try id(try words.at(1)), patient: nil, definition: "end of residency",
            expectedBy: try words["expected"].map(instant), stamp: try stamp(words))))
    case "resolve":
      facts.insert(
        .expiryEventResolution(
          ExpiryEventResolution(
            id: try id(try words.at(1)), event: try id(try words.require("event")),
            occurred: try instant(try words.require("occurred")), stamp: try stamp(words))))
    case "determination": facts.insert(.determination(try determination(words)))
    case "withdraw":
      facts.insert(
        .determinationWithdrawal(
          DeterminationWithdrawal(
            id: try id(try words.at(1)), determination: try id(try words.require("determination")),
            note: "", stamp: try stamp(words))))
    case "merge":
      facts.insert(
        .merge(
          PatientMerge(
            id: try id(try words.at(1)), survivor: try id(try words.at(2)),
            merged: try id(try words.at(3)), stamp: try stamp(words))))
    case "unmerge": facts.insert(.unmerge(try unmerge(words)))
    case "policy": facts.insert(.policy(try policy(words)))
    case "unevaluable":
      facts.unevaluable.append(
        UnevaluableRecord(
          reference: RecordReference(kind: .instrument, id: try id(try words.at(1))),
          patient: try id(try words.at(2)), use: try words["use"].map { try word($0) },
          stamp: try stamp(words)))
    default: throw NotationError(description: "no statement \(verb)")
    }
  }

  // MARK: Records

  private mutating func patient(_ words: Words) throws -> PatientRecord {
    let name = try words.at(1)
    let version = Int(words["v"] ?? "1") ?? 1
    let majority = words["majority"] ?? "2000-01-01T06:00:00Z"
    return PatientRecord(
      recordID: try id(name + "v\(version)"), id: try id(name), version: version,
      majority: majority == "unknown" ? nil : try instant(majority), timeZoneDataVersion: "2026a",
      stamp: try stamp(words))
  }

  private mutating func image(_ words: Words) throws -> ImageRecord {
    let name = try words.at(1)
    let version = Int(words["v"] ?? "1") ?? 1
    let claims = words.list("claims")
    let acquired = words["acquired"] ?? "2026-01-01"
    let stamp = try stamp(words)
    return ImageRecord(
      recordID: try id(name + "v\(version)"), key: try key(name), version: version,
      patient: try id(try words.require("of")), kind: try word(words["kind"] ?? "DICOM_INSTANCE"),
      studyUID: words["study"] ?? "1.2.1", seriesUID: words["series"] ?? "1.2.1.1",
      acquiredDay: acquired == "unknown" ? nil : try day(acquired),
      claims: IdentificationClaims(
        identityRemoved: claims.contains("removed")
          ? .yes : claims.contains("not-removed") ? .no : .absent,
        burnedInAnnotation: claims.contains("burned-in") ? .yes : .absent,
        recognizableVisualFeatures: claims.contains("features") ? .yes : .absent),
      part2: words["part2"].map { Part2Mark(programUnit: identifier($0)) },
      sources: try words.list("sources").map(key), stamp: stamp, firstRecorded: stamp.recorded)
  }

  private mutating func paper(_ words: Words) throws {
    let signed = words["signed"] ?? "2026-03-01"
    let capacity = (words["by"] ?? "INDIVIDUAL").split(separator: ":").map(String.init)
    let received = words["received"] ?? String(signed.prefix(10)) + "T18:00:00Z"
    var paper = Instrument(
      id: try id(try words.at(1)), patient: try id(try words.require("of")),
      kind: try word(try words.at(2)),
      statements: words["statements"] == "none"
        ? Statements() : Statements(rightToRevoke: true, conditioning: true, redisclosure: true),
      informationDescription: words["information"] == "none" ? "" : "X-rays of the chest",
      signer: Signer(
        capacity: try word(capacity[0]),
        identity: capacity.count > 1 ? identifier(capacity[1]) : nil,
        authorityDescription: words["authority"] == "none" || capacity[0] == "INDIVIDUAL"
          ? "" : "as stated",
        authorityUses: words["authority-uses"].map { _ in
          ClosedSet(words.list("authority-uses").compactMap { Use(name: $0) })
        },
        authorityFrom: try words["authority-from"].map(day),
        authorityUntil: try words["authority-until"].map(day)),
      isSigned: words["signature"] != "none",
      signed: words["signed"] == "none"
        ? nil
        : SignedTime(
          day: try day(String(signed.prefix(10))),
          instant: signed.count > 10 ? try instant(signed) : nil),
      receivedDay: try day(String(received.prefix(10))), received: try instant(received),
      compoundParts: words.list("compound").compactMap(UInt8.init),
      conditionedParts: words.list("conditioned").compactMap(UInt8.init))
    paper.stamp = try stamp(words, default: received)
    facts.insert(.instrument(paper))
  }

  /// A line belongs to the paper it names, which is judged anew with it.
  private mutating func line(_ words: Words) throws {
    let paperID: InstrumentID = try id(try words.require("of"))
    guard let index = facts.instruments.firstIndex(where: { $0.id == paperID }) else {
      throw NotationError(description: "no paper")
    }
    let signed = facts.instruments[index].signedOrReceived
    facts.instruments[index].grants.append(
      Grant(
        id: try id(try words.at(1)), part: UInt8(words["part"] ?? "1") ?? 1,
        effect: try word(try words.at(2)), scope: try scope(words["scope"] ?? "patient"),
        presentOnly: words["reach"] == "present",
        uses: try words.set("uses"), audiences: try words.set("audiences"),
        recipients: words.list("recipients").map(party),
        disclosers: words.list("disclosers").map(party),
        channels: words["channels"] == nil ? nil : try words.set("channels"),
        effectiveFrom: try words["from"].map(instant)
          ?? signed.instant ?? instant(signed.day.description),
        expiry: try expiry(words["until"] ?? "2030-01-01"),
        withoutDerivatives: words["derivatives"] == "no",
        obligations: words.list("obligations").contains("CROP_TO_REGION") ? [.cropToRegion] : []))
    let paper = facts.instruments[index]
    facts.instruments[index].defects = validate(
      instrument: paper, form: nil, policy: facts.policy(at: paper.stamp.recorded))
  }

  private mutating func revocation(_ words: Words) throws -> Revocation {
    let recorded = try words.require("recorded")
    let signed = words["signed"] ?? String(recorded.prefix(10))
    let capacity = (words["by"] ?? "INDIVIDUAL").split(separator: ":").map(String.init)
    return Revocation(
      id: try id(try words.at(1)), patient: try id(words["of"] ?? "P1"),
      grants: try words.list("grants").map { try id($0) },
      method: try word(words["method"] ?? "WRITTEN"),
      signer: Signer(
        capacity: try word(capacity[0]),
        identity: capacity.count > 1 ? identifier(capacity[1]) : nil,
        authorityDescription: "as stated"),
      signed: SignedTime(
        day: try day(String(signed.prefix(10))),
        instant: signed.count > 10 ? try instant(signed) : nil),
      received: try instant(words["received"] ?? recorded), stamp: try stamp(words))
  }

  private mutating func determination(_ words: Words) throws -> Determination {
    func finding(_ key: String) -> Bool? { words[key].map { $0 == "yes" } }
    return Determination(
      id: try id(try words.at(1)), image: try key(try words.require("image")), method: .safeHarbor,
      by: "expert", determined: try instant(words["determined"] ?? "2026-02-01"),
      until: try words["until"].map(instant), identityRemoved: finding("removed"),
      noBurnedInText: finding("no-text"), noRecognizableFeatures: finding("no-features"),
      stamp: try stamp(words, default: "2026-02-01"))
  }

  private mutating func unmerge(_ words: Words) throws -> PatientUnmerge {
    PatientUnmerge(
      id: try id(try words.at(1)), merge: try id(try words.require("merge")),
      assignments: try words.list("assign").map { pair in
        let parts = pair.split(separator: ":").map(String.init)
        return .init(record: try id(parts[0]), patient: try id(parts[1]))
      }, stamp: try stamp(words))
  }

  private mutating func policy(_ words: Words) throws -> Policy {
    var policy = Policy(
      recordID: try id("Y" + (words["version"] ?? "1")),
      version: Int(words["version"] ?? "1") ?? 1,
      effective: try instant(words["effective"] ?? "2026-01-01"))
    policy.educationOwnWorkforceAsOperations = words["own-operations"] == "yes"
    policy.educationTraineesAsOperations = words["trainee-operations"] == "yes"
    policy.educationTreatingProviderAsOperations = words["provider-operations"] == "yes"
    policy.treatmentNeedsConsent = words["treatment-consent"] == "yes"
    policy.majorityReview = words["majority-review"] != "no"
    policy.oralRevocationBinds = words["oral"] != "no"
    policy.businessAssociates = words.list("associates").map(identifier)
    policy.organizationIdentifiers = words.list("organization").map(identifier)
    policy.personalEmailRequests = try words.list("email").map { try id($0) }
    policy.clockAllowanceMicroseconds = (Int64(words["allowance"] ?? "0") ?? 0) * 1_000_000
    policy.stamp = try stamp(words)
    return policy
  }
}
