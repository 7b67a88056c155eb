import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Records a paper, defective or not; with `validate_only` says what recording it would do.
  ///
  /// Which images it reaches is worked out after the commit, on the facts as known then: trying
  /// every image of a patient would hold the organization's lock for long.
  static func recordInstrument(
    _ service: ConsentService, _ request: Consent_V1_RecordInstrumentRequest, by caller: Principal
  ) async throws -> Told<Consent_V1_RecordInstrumentResponse> {
    let calendar = try service.calendars[caller.organization]
    let now = service.clock.now()
    let id = InstrumentID.random()
    let position = try RequestReader.read { reader -> KnownPosition?? in
      let conventions = reader.conventions(request, isKeyed: !request.validateOnly)
      _ = reader.paper(request, id: id, calendar: calendar, now: now)
      return .some(conventions.minPosition)
    }
    if request.validateOnly {
      let shown = try await service.show(by: caller, minPosition: position ?? nil) {
        reader, calendar in
        let trial = try PaperTrial(request, id: id, reader: reader, calendar: calendar)
        var response = trial.response()
        response.instrument.clearIDs()
        response.tell(trial.reach)
        return Shown(response, naming: [request.patientID], subject: ["validate-only": "yes"])
      }
      return .tried(shown)
    }
    let response = try await service.record(
      request, by: caller, about: PatientID(request.patientID)
    ) { recording in
      let trial = try PaperTrial(
        request, id: id, reader: recording.writer, calendar: recording.calendar,
        recorder: recording.recorder)
      try recording.writer.append(trial.change)
      return trial.response()
    }
    return try await service.store.read(caller.organization) { reader in
      var told = response
      if let reach = try reader.reach(of: response) { told.tell(reach) }
      return .recorded(told)
    }
  }
}

/// What recording a paper does, worked out on a view of the register.
struct PaperTrial {
  let change: Change
  private let paper: Instrument
  private let facts: Facts
  private let now: Instant
  private let duplicates: [InstrumentID]

  init(
    _ request: Consent_V1_RecordInstrumentRequest, id: InstrumentID, reader: any FactReader,
    calendar: LocalCalendar, recorder: String = ""
  ) throws {
    now = reader.now
    let (named, paper) = try RequestReader.read { [now] in
      $0.paper(request, id: id, calendar: calendar, now: now)
    }
    try named.requireAgreement(in: reader)
    let events = Set(
      paper.grants.compactMap { grant -> ID<ExpiryEvent>? in
        if case .event(let event) = grant.expiry { event } else { nil }
      })
    facts = try reader.facts(patients: [named.patient], events: events)
    try PaperTrial.requireForm(paper, in: facts)
    let clock = CommandClock(now: now, today: calendar.day(of: now))
    let builder = ChangeBuilder(facts: facts, clock: clock)
    let lines = request.instrument.linePaths
    change = try CommandFields.named({ PaperTrial.requestField($0, lines: lines) }) {
      try builder.recordInstrument(
        paper, signingDayStart: calendar.start(of: paper.signedOrReceived.day))
    }
    duplicates = builder.sameScan(as: paper)
    var recorded = paper
    recorded.defects = builder.defects(of: paper)
    recorded.stamp = Stamp(position: facts.position + 1, recorded: now, by: recorder)
    self.paper = recorded
  }

  /// A form carries the statements, so it has to be known. Without one they are asked.
  private static func requireForm(_ paper: Instrument, in facts: Facts) throws {
    guard let form = paper.form else { return }
    let standing = Standing(facts)
    guard
      facts.forms.contains(where: { $0.reference == form && standing.contains(.form($0)) })
    else {
      throw ServiceError.invalid(
        "instrument.form", "is not recorded; record the form, or state its statements one by one")
    }
  }

  /// Lines of a command are counted through the paper, those of a request within their parts.
  private static func requestField(_ field: String, lines: [String]) -> String {
    let list = "instrument.grants["
    guard field.hasPrefix(list), let end = field.firstIndex(of: "]"),
      let index = Int(field[field.index(field.startIndex, offsetBy: list.count)..<end]),
      lines.indices.contains(index)
    else { return CommandFields.requestField(field) }
    return lines[index] + field[field.index(after: end)...]
  }

  func response() -> Consent_V1_RecordInstrumentResponse {
    var after = facts
    after.insert(.instrument(paper))
    var response = Consent_V1_RecordInstrumentResponse()
    response.instrument = Consent_V1_Instrument(paper, facts: after, at: now)
    response.defects = response.instrument.defects
    response.duplicateInstrumentIds = duplicates.map(\.description)
    return response
  }

  var reach: PaperReach { PaperReach(of: paper, facts: facts, at: now) }
}

extension Consent_V1_InstrumentFields {
  /// Where each line stands in the request, in the order of the paper.
  var linePaths: [String] {
    parts.enumerated().flatMap { part, value in
      value.grants.indices.map { "instrument.parts[\(part)].grants[\($0)]" }
    }
  }
}

extension Consent_V1_Instrument {
  /// What is not recorded has no identity.
  fileprivate mutating func clearIDs() {
    instrumentID = ""
    version = 0
    clearRecordedAt()
    clearRecordedBy()
    for index in grants.indices {
      grants[index].grantID = ""
      grants[index].instrumentID = ""
    }
  }
}

extension RequestReader {
  fileprivate mutating func paper(
    _ request: Consent_V1_RecordInstrumentRequest, id: InstrumentID, calendar: LocalCalendar,
    now: Instant
  ) -> (TwiceNamed, Instrument)? {
    let named = twiceNamed(
      request.patientID, request.hasSecondIdentifier ? request.secondIdentifier : nil)
    guard request.hasInstrument else {
      refuse("instrument", "is required")
      return nil
    }
    let context = InstrumentContext(
      id: id, patient: named?.patient ?? .nobody, calendar: calendar, now: now,
      scans: scans(request.instrument.documentIds))
    let paper = instrument(request.instrument, "instrument", context: context)
    if let paper {
      within("instrument") { $0.requireOrder(request.instrument, paper, calendar) }
    }
    guard let named, let paper else { return nil }
    return (named, paper)
  }

  /// Scans kept elsewhere are named by the SHA-256 of their content, `sha256:` and 64 lower-case
  /// hexadecimal digits, which is enough to warn of the same scan twice.
  private func scans(_ ids: [String]) -> [String] {
    ids.compactMap { id in
      guard case .sha256(let digits)? = ImageKey(text: id) else { return nil }
      return digits
    }
  }

  /// A line that says it holds from before signing says what no paper can: it is not corrected
  /// silently.
  private mutating func requireOrder(
    _ value: Consent_V1_InstrumentFields, _ paper: Instrument, _ calendar: LocalCalendar
  ) {
    let signed = paper.signedOrReceived
    _ = each(value.parts, "parts", atMost: 255) { reader, part -> Bool? in
      _ = reader.each(part.grants, "grants", atMost: 255) { reader, terms -> Bool? in
        guard let time = terms.hasEffectiveFrom ? terms.effectiveFrom.time : nil else { return nil }
        // What cannot be read at all has been refused already.
        var scratch = RequestReader()
        let isBefore =
          switch time {
          case .instant(let stamp):
            scratch.instant(stamp, "instant").map { $0 < signed.start(calendar) } ?? false
          case .localDay(let day):
            scratch.localDay(day, "local_day").map { $0 < signed.day } ?? false
          }
        if isBefore { reader.refuse("effective_from", "is before the paper was signed") }
        return nil
      }
      return nil
    }
  }
}

extension SignedTime {
  /// The first instant at which it can have been.
  func start(_ calendar: LocalCalendar) -> Instant { instant ?? calendar.start(of: day) }
}
