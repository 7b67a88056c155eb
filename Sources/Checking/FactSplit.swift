internal import ConsentCore

/// Takes apart what was read for many images at once, so that each gets the facts that were read
/// for it alone.
///
/// INVARIANT: a part holds at least what `facts(images:)` of its image holds, and of other patients
/// nothing that a decision could see.
struct FactSplit {
  private let facts: Facts
  private var components: [PatientID: PatientID] = [:]
  private var versions: [ImageKey: [ImageRecord]] = [:]
  private var determinations: [ImageKey: [Determination]] = [:]
  private var withdrawals: [ImageKey: [DeterminationWithdrawal]] = [:]
  private var imageErrors: [ImageKey: [EnteredInError]] = [:]
  /// By the representative of each set of patients ever merged.
  private var papers: [PatientID: Facts] = [:]
  /// The organization's own: policies, forms, and what was entered in error of no patient or image.
  /// The same in whatever is read at one position.
  private(set) var rules = Facts()
  /// What speaks of records that are not there, or do not read: it goes to every part.
  private var common = Facts()
  private var subjects: [RecordReference: Subject] = [:]

  private enum Subject {
    case patient(PatientID)
    case image(ImageKey)
    case organization
    case everybody
  }

  init(_ facts: Facts) {
    self.facts = facts
    joinMerged()
    gatherImages()
    gatherPapers()
    gatherAmendments()
    gatherErrors()
  }

  /// The parts for `keys`, each key once.
  func parts(_ keys: some Sequence<ImageKey>) -> [FactPart] {
    var places: [[PatientID]: Int] = [:]
    var parts: [FactPart] = []
    for key in keys {
      let (image, owners) = gather(key)
      let roots = Set(owners.map(root)).sorted()
      if roots.isEmpty {
        parts.append(FactPart(patients: [], shared: shared(roots: []), images: [image]))
      } else if let place = places[roots] {
        parts[place].images.append(image)
      } else {
        places[roots] = parts.count
        let patients = roots.flatMap { root in members[root] ?? [root] }.sorted()
        parts.append(FactPart(patients: patients, shared: shared(roots: roots), images: [image]))
      }
    }
    return parts
  }

  /// Every image of which all sources were read with it.
  var keys: some Sequence<ImageKey> { versions.keys }

  // MARK: Patients

  private var members: [PatientID: [PatientID]] = [:]

  private mutating func joinMerged() {
    var links: [PatientID: Set<PatientID>] = [:]
    for merge in facts.merges {
      links[merge.survivor, default: []].insert(merge.merged)
      links[merge.merged, default: []].insert(merge.survivor)
    }
    for start in links.keys where components[start] == nil {
      var joined: Set<PatientID> = [start]
      var waiting = [start]
      while let patient = waiting.popLast() {
        for other in links[patient] ?? [] where joined.insert(other).inserted {
          waiting.append(other)
        }
      }
      for patient in joined { components[patient] = start }
      members[start] = Array(joined)
    }
  }

  private func root(_ patient: PatientID) -> PatientID { components[patient] ?? patient }

  // MARK: Records

  private mutating func gatherImages() {
    for image in facts.images {
      versions[image.key, default: []].append(image)
      subjects[RecordReference(kind: .image, id: image.recordID)] = .image(image.key)
    }
    var images: [ID<Determination>: ImageKey] = [:]
    for determination in facts.determinations {
      determinations[determination.image, default: []].append(determination)
      images[determination.id] = determination.image
      subjects[reference(.determination, determination.id)] = .image(determination.image)
    }
    for withdrawal in facts.determinationWithdrawals {
      guard let key = images[withdrawal.determination] else {
        common.determinationWithdrawals.append(withdrawal)
        continue
      }
      withdrawals[key, default: []].append(withdrawal)
      subjects[reference(.determinationWithdrawal, withdrawal.id)] = .image(key)
    }
  }

  private mutating func gatherPapers() {
    rules.policies = facts.policies
    rules.forms = facts.forms
    rules.organizationHoldsPart2 = facts.organizationHoldsPart2
    rules.position = facts.position
    for record in facts.patients {
      add(to: record.id, RecordReference(kind: .patient, id: record.recordID)) {
        $0.patients.append(record)
      }
    }
    for merge in facts.merges {
      add(to: merge.survivor, reference(.merge, merge.id)) { $0.merges.append(merge) }
    }
    for paper in facts.instruments {
      add(to: paper.patient, reference(.instrument, paper.id)) { $0.instruments.append(paper) }
    }
    for revocation in facts.revocations {
      add(to: revocation.patient, reference(.revocation, revocation.id)) {
        $0.revocations.append(revocation)
      }
    }
    for record in facts.unevaluable {
      papers[root(record.patient), default: Facts()].unevaluable.append(record)
      subjects[record.reference] = .everybody
    }
    for event in facts.expiryEvents {
      subjects[reference(.expiryEvent, event.id)] =
        event.patient.map { .patient($0) } ?? .organization
    }
  }

  /// What speaks of one other record goes where that one is.
  private mutating func gatherAmendments() {
    for unmerge in facts.unmerges {
      add(reference(.unmerge, unmerge.id), like: reference(.merge, unmerge.merge)) {
        $0.unmerges.append(unmerge)
      }
    }
    for report in facts.falseInformation {
      add(reference(.falseInformation, report.id), like: reference(.instrument, report.instrument))
      { $0.falseInformation.append(report) }
    }
    for evidence in facts.authorityEvidence {
      add(
        reference(.authorityEvidence, evidence.id),
        like: reference(.instrument, evidence.instrument)
      ) { $0.authorityEvidence.append(evidence) }
    }
    for end in facts.restrictionEnds {
      add(reference(.restrictionEnd, end.id), like: reference(.instrument, end.instrument)) {
        $0.restrictionEnds.append(end)
      }
    }
    for resolution in facts.expiryEventResolutions {
      subjects[reference(.expiryEventResolution, resolution.id)] =
        subjects[reference(.expiryEvent, resolution.event)] ?? .organization
    }
  }

  /// An entry about an entry is recorded after it.
  private mutating func gatherErrors() {
    for error in facts.enteredInError.sorted(by: { $0.stamp.position < $1.stamp.position }) {
      let subject = subjects[error.target] ?? .organization
      subjects[reference(.enteredInError, error.id)] = subject
      switch subject {
      case .patient(let patient):
        papers[root(patient), default: Facts()].enteredInError.append(error)
      case .image(let key): imageErrors[key, default: []].append(error)
      case .organization: rules.enteredInError.append(error)
      case .everybody: common.enteredInError.append(error)
      }
    }
  }

  private func reference<Subject>(_ kind: RecordKind, _ id: ID<Subject>) -> RecordReference {
    RecordReference(kind: kind, id: id.retyped())
  }

  private mutating func add(
    to patient: PatientID, _ reference: RecordReference, _ append: (inout Facts) -> Void
  ) {
    subjects[reference] = .patient(patient)
    append(&papers[root(patient), default: Facts()])
  }

  private mutating func add(
    _ reference: RecordReference, like other: RecordReference, _ append: (inout Facts) -> Void
  ) {
    guard case .patient(let patient)? = subjects[other] else {
      subjects[reference] = .everybody
      return append(&common)
    }
    add(to: patient, reference, append)
  }

  // MARK: Parts

  /// The image with its whole lineage, and whose all of it is or was.
  private func gather(_ key: ImageKey) -> (FactPart.Image, owners: Set<PatientID>) {
    var lineage = [key]
    var seen: Set<ImageKey> = [key]
    var image = FactPart.Image(
      key: key, versions: [], determinations: [], withdrawals: [], errors: [], sources: [])
    var owners: Set<PatientID> = []
    var next = 0
    while next < lineage.count {
      let member = lineage[next]
      next += 1
      for version in versions[member] ?? [] {
        image.versions.append(version)
        owners.insert(version.patient)
        for source in version.sources where seen.insert(source).inserted { lineage.append(source) }
      }
      image.determinations += determinations[member] ?? []
      image.withdrawals += withdrawals[member] ?? []
      image.errors += imageErrors[member] ?? []
    }
    image.withdrawals += common.determinationWithdrawals
    image.sources = Array(lineage.dropFirst())
    return (image, owners)
  }

  private func shared(roots: [PatientID]) -> Facts {
    var shared = common
    shared.determinationWithdrawals = []
    for root in roots {
      guard let own = papers[root] else { continue }
      shared.patients += own.patients
      shared.merges += own.merges
      shared.unmerges += own.unmerges
      shared.instruments += own.instruments
      shared.revocations += own.revocations
      shared.enteredInError += own.enteredInError
      shared.falseInformation += own.falseInformation
      shared.authorityEvidence += own.authorityEvidence
      shared.restrictionEnds += own.restrictionEnds
      shared.unevaluable += own.unevaluable
    }
    let named = Set(
      shared.instruments.flatMap(\.grants).compactMap { grant -> ID<ExpiryEvent>? in
        if case .event(let event) = grant.expiry { event } else { nil }
      })
    let isOwn = Set(roots)
    shared.expiryEvents = facts.expiryEvents.filter { event in
      named.contains(event.id) || (event.patient.map { isOwn.contains(root($0)) } ?? false)
    }
    let included = Set(shared.expiryEvents.map(\.id))
    shared.expiryEventResolutions = facts.expiryEventResolutions.filter {
      included.contains($0.event)
    }
    return shared
  }
}
