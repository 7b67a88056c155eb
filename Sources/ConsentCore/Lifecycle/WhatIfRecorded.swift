/// What a paper would do if it were recorded now: the answer of `validate_only`.
public struct WhatIfRecorded: Hashable, Sendable {
  public struct Blocked: Hashable, Sendable {
    public var image: ImageKey
    public var use: Use
    public var audience: Audience
    /// What a check would answer.
    public var reason: Reason
    /// The denies that stand in the way.
    public var records: [DecidingRecord]
  }

  public var defects: [Defect]
  /// Images for which at least one use and audience of the paper would be permitted.
  public var covered: [ImageKey]
  /// Uses of images for which the paper would stay without effect.
  public var blocked: [Blocked]
}

/// Tries a paper on the facts, with the probe of the coverage report.
///
/// - Parameters:
///   - facts: of the patient, with all images the answer shall speak of.
///   - at: now; a paper effective later is tried at its beginning.
public func whatIfRecorded(instrument: Instrument, facts: Facts, at: Instant) -> WhatIfRecorded {
  let known = IndexedFacts(facts)
  let errors = known.errors
  let form = instrument.form.flatMap { reference in
    facts.forms.first { $0.reference == reference && !errors.contains(.form, $0.recordID) }
  }
  var paper = instrument
  paper.defects = validate(
    instrument: instrument, form: form, policy: facts.policy(at: at, errors: errors))
  paper.stamp = Stamp(position: facts.position + 1, recorded: at, by: "")
  var after = known
  after.insert(.instrument(paper))
  let reach = ImageReach(after, at: at)
  var covered: Set<ImageKey> = []
  var blocked: Set<WhatIfRecorded.Blocked> = []
  for grant in paper.grants where grant.effect == .permit {
    let then = max(at, grant.effectiveFrom)
    for image in reach.images(of: grant, in: paper) {
      let asked = CheckRequest(image: image, use: nil, audience: nil, channel: nil, actor: nil)
      let file = CaseFile(asked, caller: CallerLimits(), in: after)
      for use in grant.uses.elements {
        for audience in grant.audiences.elements {
          let answer = Probe(file: file, use: use, audience: audience).answer(at: then)
          if answer.effect == .permit {
            covered.insert(image)
          } else {
            blocked.insert(
              .init(
                image: image, use: use, audience: audience, reason: answer.primary,
                records: answer.records.filter { $0.part == .denies }))
          }
        }
      }
    }
  }
  return WhatIfRecorded(
    defects: paper.defects, covered: covered.sorted(),
    blocked: blocked.sorted {
      ($0.image, $0.use.rawValue, $0.audience.rawValue)
        < ($1.image, $1.use.rawValue, $1.audience.rawValue)
    })
}
