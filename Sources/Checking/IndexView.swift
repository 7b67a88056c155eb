internal import ConsentCore
internal import ConsentStore

/// What the index, or one reading for it, says at one head. What it cannot say is thrown: the
/// database then answers.
final class IndexView: FactReader {
  struct NotAtHand: Error {}

  let organization: OrganizationSettings
  let head: FeedHead
  let now: Instant
  private let entries: Entries
  private let identifiers: [Identifier: [PatientID]]
  /// The head at the one earlier position that the call named.
  private let earlier: FeedHead?

  /// The facts of the images that one call named.
  enum Entries {
    case one(ImageCase)
    case many([ImageKey: ImageCase])
  }

  init(
    _ organization: OrganizationSettings, at head: FeedHead, now: Instant, _ entries: Entries,
    identifiers: [Identifier: [PatientID]], earlier: FeedHead?
  ) {
    self.organization = organization
    self.head = head
    self.now = now
    self.entries = entries
    self.identifiers = identifiers
    self.earlier = earlier
  }

  var hasFactsOfEachImage: Bool { true }

  func facts(images: [ImageKey], asOf position: UInt64?) throws -> Facts {
    throw NotAtHand()
  }

  /// Its own position is when it was read; decisions on it are taken at the head.
  func imageCase(_ image: ImageKey) throws -> ImageCase {
    switch entries {
    case .one(let known):
      guard known.key == image else { throw NotAtHand() }
      return known
    case .many(let entries):
      guard let known = entries[image] else { throw NotAtHand() }
      return known
    }
  }

  func head(at position: UInt64) throws -> FeedHead? {
    if position == head.position { return head }
    if let earlier, earlier.position == position { return earlier }
    throw NotAtHand()
  }

  func patients(identifiedBy identifier: Identifier) throws -> [PatientID] {
    guard let patients = identifiers[identifier] else { throw NotAtHand() }
    return patients
  }

  func facts(patients: [PatientID], asOf position: UInt64?) throws -> Facts { throw NotAtHand() }
  func images(study uid: String) throws -> [ImageKey] { throw NotAtHand() }
  func images(series uid: String) throws -> [ImageKey] { throw NotAtHand() }
  func patients(after cursor: PatientID?, limit: Int) throws -> [PatientID] { throw NotAtHand() }
  func patient(of record: RecordReference) throws -> PatientID? { throw NotAtHand() }
  func patient(ofGrant grant: GrantID) throws -> PatientID? { throw NotAtHand() }
  func organizationFacts(asOf position: UInt64?) throws -> Facts { throw NotAtHand() }
  func position(knownAt instant: Instant) throws -> UInt64 { throw NotAtHand() }
  func feed(after position: UInt64, limit: Int) throws -> [FeedRow] { throw NotAtHand() }
  func patientsWithDueWork(at instant: Instant, limit: Int) throws -> [PatientID] {
    throw NotAtHand()
  }
  func nextDue(after instant: Instant) throws -> Instant? { throw NotAtHand() }
  func grantEnds(of grants: [GrantID]) throws -> [GrantEnd] { throw NotAtHand() }
  func hasEvent(kind: EventKind, subject: String) throws -> Bool { throw NotAtHand() }
  func identity(of patient: PatientID) throws -> PatientIdentity? { throw NotAtHand() }
  func patients(name: String, birthDate: LocalDay?) throws -> [PatientID] { throw NotAtHand() }
  func logs(_ selection: LogSelection) throws -> [LogSummary] { throw NotAtHand() }
  func logRecord(_ id: DecisionID) throws -> [UInt8]? { throw NotAtHand() }
  func batches(
    of log: ID<DecisionLog>, _ range: Range<UInt64>, _ body: (LogBatch) throws -> Void
  ) throws { throw NotAtHand() }
  func useReports(of images: Set<ImageKey>, _ period: Range<Instant>) throws -> [UseReport] {
    throw NotAtHand()
  }
  func disclosures(of patients: Set<PatientID>, _ period: Range<Instant>) throws -> [Disclosure] {
    throw NotAtHand()
  }
  func decision(_ id: DecisionID) throws -> LoggedDecision? { throw NotAtHand() }
  func decisions(_ filter: DecisionFilter, limit: Int) throws -> [LoggedDecision] {
    throw NotAtHand()
  }
}
