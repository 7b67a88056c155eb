extension Line {
  /// Every line of every standing paper that could matter to the lineage, for any use.
  ///
  /// - Parameter kin: the patients of the lineage and all registrations ever merged with them.
  static func gather(
    facts: Facts, errors: EnteredErrors, lineage: Lineage, kin: Set<PatientID>
  ) -> [Line] {
    var lines: [Line] = []
    for paper in facts.instruments
    where kin.contains(paper.patient) && !errors.contains(.instrument, paper.id) {
      lazy var amendments = Amendments(of: paper, facts: facts, errors: errors)
      for grant in paper.grants {
        let held = lineage.indices.filter { grant.scope.holds(lineage.images[$0]) }
        guard !held.isEmpty else { continue }
        lines.append(
          Line(
            paper: paper, grant: grant, held: held, lineage: lineage, amendments: amendments,
            facts: facts, errors: errors))
      }
    }
    return lines
  }
}

/// What other records say of one paper.
struct Amendments {
  let falsified: Instant?
  let restrictionEnded: Instant?
  let withoutAuthority: Instant?
  let majority: Instant?
  let signedPastMajority: Bool

  init(of paper: Instrument, facts: Facts, errors: EnteredErrors) {
    falsified = facts.falseInformation
      .filter { $0.instrument == paper.id && !errors.contains(.falseInformation, $0.id) }
      .map(\.stamp.recorded).min()
    restrictionEnded = facts.restrictionEnds
      .filter { $0.instrument == paper.id && !errors.contains(.restrictionEnd, $0.id) }
      .map(\.stamp.recorded).min()
    // One finding of no authority is enough, whatever else was found: cured only by a new record.
    withoutAuthority = facts.authorityEvidence
      .filter {
        $0.instrument == paper.id && $0.finding == .showsNoAuthority
          && !errors.contains(.authorityEvidence, $0.id)
      }
      .map(\.stamp.recorded).min()
    let patient = facts.currentPatient(paper.patient, errors: errors)
    majority = patient?.majority
    signedPastMajority =
      paper.signer.capacity.restsOnMinority && paper.isSigned(from: patient)
  }
}

extension Instrument {
  /// Signed on or after the day on which the individual came of age.
  func isSigned(from patient: PatientRecord?) -> Bool {
    guard let majority = patient?.majority else { return false }
    if let instant = signed?.instant { return instant >= majority }
    guard let day = patient?.majorityDay ?? LocalDay(beginningAt: majority) else { return false }
    return signedOrReceived.day >= day
  }
}

extension LocalDay {
  /// The day whose local midnight an instant is, for offsets from UTC of less than 12 hours west
  /// to 12 hours east.
  init?(beginningAt midnight: Instant) {
    let (shifted, overflow) = midnight.microseconds
      .addingReportingOverflow(12 * .microsecondsPerHour)
    guard !overflow else { return nil }
    let remainder = shifted % .microsecondsPerDay
    let days = shifted / .microsecondsPerDay - (remainder < 0 ? 1 : 0)
    guard let days = Int32(exactly: days) else { return nil }
    self.init(daysSince1970: days)
  }
}

extension Facts {
  /// From when a named event counts as having happened; `nil` while it is not resolved.
  func occurrence(of event: ID<ExpiryEvent>, errors: EnteredErrors) -> Instant? {
    expiryEventResolutions
      .filter { $0.event == event && !errors.contains(.expiryEventResolution, $0.id) }
      .map(\.counts).min()
  }
}

extension Scope {
  func holds(_ image: ImageRecord) -> Bool {
    switch self {
    case .image(let key): image.key == key
    case .series(let uid): image.seriesUID == uid
    case .study(let uid): image.studyUID == uid
    case .patient: true
    }
  }
}

extension Lineage {
  /// Acquired not later than the day of signing; a derivative has its sources' time. Where the
  /// acquisition day is unknown, recorded before the signing was recorded.
  ///
  /// - Parameter wholly: every source must be present, as a permit asks; a deny is content with one.
  func isPresent(_ index: Int, at paper: Instrument, wholly: Bool) -> Bool {
    let originals = originals(behind: index)
    func isPresent(_ original: Int) -> Bool {
      let image = images[original]
      guard let day = image.acquiredDay else {
        return image.firstRecorded < paper.stamp.recorded
      }
      return day <= paper.signedOrReceived.day
    }
    return wholly ? originals.allSatisfy(isPresent) : originals.contains(where: isPresent)
  }
}
