internal import ConsentCore
internal import ProofLog

/// All that is stored of one organization, as plain values: the reference model.
///
/// A write works on a copy, so a body that throws leaves nothing behind.
struct MemoryRegister: Sendable {
  var settings: OrganizationSettings
  var head = FeedHead.empty
  var feed: [FeedRow] = []
  var eventPositions: [ID<FeedEvent>: UInt64] = [:]

  /// In order of position; each with its subject.
  var records: [(record: Record, subject: RecordSubject)] = []
  var placeByReference: [RecordReference: Int] = [:]
  var placesByPatient: [PatientID: [Int]] = [:]
  var placesByImage: [ImageKey: [Int]] = [:]
  var organizationPlaces: [Int] = []
  /// Expiry events and their resolutions.
  var expiryPlaces: [Int] = []
  /// The position of the first image marked as a Part 2 record.
  var firstPart2: UInt64?
  var instrumentPlaceByGrant: [GrantID: Int] = [:]
  /// Images that any version has registered for the patient.
  var imagesByPatient: [PatientID: Set<ImageKey>] = [:]
  var versionKeys: Set<VersionKey> = []

  var ends: [EndKey: GrantEnd] = [:]
  var replies: [ReplyKey: Reply] = [:]
  var identities: [PatientID: PatientIdentity] = [:]
  var logged: [LoggedDecision] = []
  var useReports: [UseReport] = []
  var disclosures: [Disclosure] = []
  var log: LogState
  var logSigner: LogSigner?
  var activity: LogState
  var activities: [LoggedActivity] = []
  /// How far the activity log has told of the feed.
  var anchored: UInt64 = 0

  enum VersionKey: Hashable {
    case patient(PatientID, Int)
    case image(ImageKey, Int)
    case policy(Int)
    case form(Form.Reference)
  }

  struct EndKey: Hashable {
    var grant: GrantID
    var version: Int
  }

  struct ReplyKey: Hashable {
    var caller: String
    var key: String
  }

  struct Reply {
    var contentSHA256: [UInt8]
    var reply: [UInt8]
    var head: FeedHead
  }

  init(settings: OrganizationSettings, logSigner: LogSigner?) {
    self.settings = settings
    self.logSigner = logSigner
    let run = NodeRun()
    log = LogState(of: run)
    activity = LogState(of: run, .activity)
  }

  func head(at position: UInt64) -> FeedHead? {
    guard position <= head.position else { return nil }
    guard position > 0 else { return .empty }
    let row = feed[Int(position) - 1]
    let factPosition = feed[..<Int(position)].last { $0.event.kind.changesFacts }?.position
    return FeedHead(
      position: position, chain: row.chain, known: row.known, factPosition: factPosition ?? 0)
  }

  /// The versions of an image recorded at or before `position`, oldest first.
  func versions(of key: ImageKey, upTo position: UInt64) -> [ImageRecord] {
    (placesByImage[key] ?? []).compactMap { place in
      guard case .image(let image) = records[place].record, image.stamp.position <= position else {
        return nil
      }
      return image
    }
  }

  func current(_ key: ImageKey) -> ImageRecord? {
    versions(of: key, upTo: head.position).max { $0.version < $1.version }
  }
}
