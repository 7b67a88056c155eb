import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Lists papers, the newest recorded first.
  static func listInstruments(
    _ service: ConsentService, _ request: Consent_V1_ListInstrumentsRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_ListInstrumentsResponse> {
    var question = request
    question.pageSize = 0
    question.pageToken = ""
    question.clearMinPosition()
    let token = PageToken<PaperPlace>.question(question)
    let asked = try RequestReader.read { $0.listInstruments(request, token: token) }
    return try await service.show(by: caller, minPosition: asked.minPosition) { reader, _ in
      let facts = try asked.facts(in: reader)
      let papers = try asked.papers(in: facts, reader: reader)
        .filter { $0.isVisible(to: caller) }
        .sorted { PaperPlace($1) < PaperPlace($0) }
        .filter { paper in asked.after.map { PaperPlace(paper) < $0 } ?? true }
      var response = Consent_V1_ListInstrumentsResponse()
      var last: PaperPlace?
      for paper in papers {
        let shown = Consent_V1_Instrument(paper, facts: facts, at: reader.now)
        guard
          asked.states.isEmpty || shown.grants.contains(where: { asked.states.contains($0.state) })
        else { continue }
        if response.instruments.count == asked.size {
          if let last { response.nextPageToken = PageToken(place: last, question: token).text }
          break
        }
        response.instruments.append(shown)
        last = PaperPlace(paper)
      }
      return Shown(
        response, naming: response.instruments.map(\.patientID),
        asked: try asked.patient?.resolved(in: reader) ?? [],
        subject: ["image": asked.image?.text, "kinds": asked.kinds.subject(\.name)])
    }
  }
}

/// Where a list of papers goes on.
private struct PaperPlace: Codable, Comparable, Sendable {
  var position: UInt64
  var paper: InstrumentID

  init(_ paper: Instrument) {
    position = paper.stamp.position
    self.paper = paper.id
  }

  static func < (a: Self, b: Self) -> Bool { (a.position, a.paper) < (b.position, b.paper) }
}

private struct AskedPapers: Sendable {
  var patient: PatientName?
  var image: ImageKey?
  var kinds: [InstrumentKind]
  var states: Set<Consent_V1_GrantState>
  var size: Int
  var after: PaperPlace?
  var minPosition: KnownPosition?

  func facts(in reader: any FactReader) throws -> Facts {
    if let image { return try reader.facts(images: [image], asOf: nil) }
    let patients = try patient?.resolved(in: reader) ?? []
    return try reader.facts(patients: patients, asOf: nil)
  }

  func papers(in facts: Facts, reader: any FactReader) throws -> [Instrument] {
    let holders = try patient.map { Set(try $0.resolved(in: reader)) }
    return facts.instruments.filter { paper in
      if let holders, !holders.contains(paper.patient) { return false }
      if !kinds.isEmpty, !kinds.contains(paper.kind) { return false }
      guard let image else { return true }
      return paper.grants.contains {
        facts.affectedImages(of: $0, in: paper, at: reader.now).contains(image)
      }
    }
  }
}

extension RequestReader {
  fileprivate mutating func listInstruments(
    _ value: Consent_V1_ListInstrumentsRequest, token: UInt64
  ) -> AskedPapers? {
    let patient = patient(value.hasPatient ? value.patient : nil, "patient")
    let image = imageKey(value.hasImage ? value.image : nil, "image")
    if !value.hasPatient, !value.hasImage { refuse("patient", "is required, or an image") }
    let kinds = words(value.kinds, "kinds", as: InstrumentKind.self)
    let states = each(value.states, "states", atMost: 64) {
      reader, state -> Consent_V1_GrantState? in
      if case .UNRECOGNIZED = state {
        reader.refuse("is not a value that this version knows")
        return nil
      }
      return state
    }
    let size = pageSize(value.pageSize)
    let after = place(value.pageToken, of: token, as: PaperPlace.self)
    let position = minPosition(value.hasMinPosition ? value.minPosition : nil)
    return AskedPapers(
      patient: patient, image: image, kinds: kinds, states: Set(states), size: size, after: after,
      minPosition: position)
  }
}
