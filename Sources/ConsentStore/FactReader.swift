public import ConsentCore

/// One consistent view of an organization at `head`.
///
/// Positions given as `asOf` show what was known at that position; `nil` is the head.
public protocol FactReader: LogReader {
  var organization: OrganizationSettings { get }
  var head: FeedHead { get }
  /// The store's clock, never before `head.known`: the instant a live decision is taken at.
  var now: Instant { get }

  /// Everything a decision about `images` may see: their versions and sources (transitively), the
  /// patients these belong or belonged to, those merged with them, and all records of all these
  /// patients, of the images and of the organization (policies, forms, expiry events referred to).
  func facts(images: [ImageKey], asOf position: UInt64?) throws -> Facts

  /// What the facts say of one image at the head, ready for decisions on it.
  func imageCase(_ image: ImageKey) throws -> ImageCase

  /// Facts of one image at a time cost nothing here, so that whoever asks about many asks for each.
  var hasFactsOfEachImage: Bool { get }

  /// The same for patients, with every image registered for them (or for a merged member).
  func facts(patients: [PatientID], asOf position: UInt64?) throws -> Facts

  /// Everything that decisions about any image may see, at the head.
  func readRegister(into receiver: any RegisterReceiver) throws

  /// The image keys of a study or series at the head, in key order.
  func images(study uid: String) throws -> [ImageKey]
  func images(series uid: String) throws -> [ImageKey]
  /// Patients of the organization in id order, after `cursor`, at most `limit`.
  func patients(after cursor: PatientID?, limit: Int) throws -> [PatientID]
  /// The patient an instrument, a grant or any other record belongs to; `nil` if unknown.
  func patient(of record: RecordReference) throws -> PatientID?
  func patient(ofGrant grant: GrantID) throws -> PatientID?

  /// Policies, forms and organization-wide expiry events.
  func organizationFacts(asOf position: UInt64?) throws -> Facts

  /// The last position recorded at or before `instant`; 0 if none.
  func position(knownAt instant: Instant) throws -> UInt64
  /// Feed rows after `position`, in order, at most `limit`.
  func feed(after position: UInt64, limit: Int) throws -> [FeedRow]
  /// The head as it was at `position`; `nil` above the head.
  func head(at position: UInt64) throws -> FeedHead?

  /// Grants whose date or event end may be due: candidates for the expiry scheduler, those
  /// whose `due` instant (stored when recorded) is at or before `instant` and that have no end yet.
  func patientsWithDueWork(at instant: Instant, limit: Int) throws -> [PatientID]
  /// The next instant after `instant` at which anything becomes due; `nil` if nothing is planned.
  func nextDue(after instant: Instant) throws -> Instant?
  func grantEnds(of grants: [GrantID]) throws -> [GrantEnd]
  /// Whether an event with this kind and subject is in the feed already.
  func hasEvent(kind: EventKind, subject: String) throws -> Bool

  // Demographics: decrypted for the caller, never part of facts.
  func identity(of patient: PatientID) throws -> PatientIdentity?
  func patients(identifiedBy identifier: Identifier) throws -> [PatientID]
  func patients(name: String, birthDate: LocalDay?) throws -> [PatientID]

  /// What was reported of uses of the images, and disclosures of the patients that were recorded by
  /// hand; in order of (instant, id).
  func useReports(of images: Set<ImageKey>, _ period: Range<Instant>) throws -> [UseReport]
  func disclosures(of patients: Set<PatientID>, _ period: Range<Instant>) throws -> [Disclosure]

  func decision(_ id: DecisionID) throws -> LoggedDecision?
  /// Logged decisions in order of decision time, filtered; for reliance, denials and overrides.
  func decisions(_ filter: DecisionFilter, limit: Int) throws -> [LoggedDecision]
  /// See the extension, which says what it means; a store may count without reading the decisions,
  /// and stop early.
  func countUses(
    under grants: Set<GrantID>, below position: UInt64?, notice: Instant
  ) throws -> UseCount
}

extension FactReader {
  public var hasFactsOfEachImage: Bool { false }

  public func imageCase(_ image: ImageKey) throws -> ImageCase {
    ImageCase(image, facts: try facts(images: [image], asOf: nil))
  }
}

/// A view under the organization's lock, to which changes can be appended.
public protocol FactWriter: FactReader {
  /// Gives the change its positions, stamps its records with (position, `now`, caller) and stores
  /// rows, events and ends.
  /// - Returns: the position of each event.
  /// - Throws: `StoreError.duplicateEvent` if an event with the same kind and subject exists;
  ///   `StoreError.grantEnded` if a grant version has ended already. A body that goes on because
  ///   nothing was thrown may be undone and run again, and get the error then.
  @discardableResult
  func append(_ change: Change) throws -> [UInt64]
  func put(identity: PatientIdentity, of patient: PatientID, record: RecordID) throws
  /// Logs decisions in the same transaction (an emergency override and its event). Their receipts
  /// are not signed before it is committed: see `WriteReceipt.answerable`.
  func log(_ entries: [DecisionEntry]) throws -> [LoggedDecision]
  /// What was done, or not, after a decision; of a group one report for each image, all at once.
  func put(useReports: [UseReport]) throws
  func put(disclosure: Disclosure) throws
}

/// What is known of a patient as a person: stored encrypted, never logged, never in events.
public struct PatientIdentity: Hashable, Sendable, Codable {
  public var displayName: String
  public var birthDate: LocalDay?
  public var identifiers: [Identifier]

  public init(displayName: String, birthDate: LocalDay?, identifiers: [Identifier]) {
    self.displayName = displayName
    self.birthDate = birthDate
    self.identifiers = identifiers
  }
}
