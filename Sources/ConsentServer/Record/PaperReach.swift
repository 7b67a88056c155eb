import ConsentCore
import ConsentProto
import ConsentStore

/// The images on which a paper takes effect, and those it reaches without effect.
struct PaperReach {
  let covered: [ImageKey]
  let blocked: [Consent_V1_BlockedImage]

  /// - Parameter facts: without the paper itself.
  init(of paper: Instrument, facts: Facts, at: Instant) {
    let trial = whatIfRecorded(instrument: paper, facts: facts, at: at)
    var covered = Set(trial.covered)
    // A deny takes effect on all it reaches: defects never weaken it.
    for grant in paper.grants where grant.effect == .deny {
      covered.formUnion(facts.affectedImages(of: grant, in: paper, at: at))
    }
    self.covered = covered.sorted()
    blocked = PaperReach.blocked(trial, except: covered)
  }

  /// One entry an image on which no use of the paper takes effect.
  private static func blocked(
    _ trial: WhatIfRecorded, except covered: Set<ImageKey>
  ) -> [Consent_V1_BlockedImage] {
    var images: [(key: ImageKey, answer: Consent_V1_BlockedImage)] = []
    for blocked in trial.blocked where !covered.contains(blocked.image) {
      let denies = blocked.records.map {
        Consent_V1_RecordReference($0.record, version: $0.version, image: blocked.image)
      }
      if images.last?.key == blocked.image {
        let last = images.count - 1
        for deny in denies where !images[last].answer.denies.contains(deny) {
          images[last].answer.denies.append(deny)
        }
        continue
      }
      var answer = Consent_V1_BlockedImage()
      answer.image = Consent_V1_ImageKey(blocked.image)
      answer.reason = blocked.reason.proto()
      answer.denies = denies
      images.append((blocked.image, answer))
    }
    return images.map(\.answer)
  }
}

extension Consent_V1_RecordInstrumentResponse {
  mutating func tell(_ reach: PaperReach) {
    covered = reach.covered.prefix(1_000).map(Consent_V1_ImageKey.init)
    coveredCount = UInt64(reach.covered.count)
    blocked = Array(reach.blocked.prefix(1_000))
    blockedCount = UInt64(reach.blocked.count)
  }
}

extension FactReader {
  /// The reach of a recorded paper, on what was known when it was recorded: a repeated request is
  /// answered as the first time.
  func reach(of response: Consent_V1_RecordInstrumentResponse) throws -> PaperReach? {
    guard let id = InstrumentID(response.instrument.instrumentID),
      let patient = PatientID(response.instrument.patientID)
    else { return nil }
    var facts = try facts(patients: [patient], asOf: response.position.position)
    guard let paper = facts.instrument(id) else { return nil }
    facts.instruments.removeAll { $0.id == id }
    return PaperReach(of: paper, facts: facts, at: paper.stamp.recorded)
  }
}
