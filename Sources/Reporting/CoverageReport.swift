public import ConsentCore
public import ConsentStore

public struct CoverageReport: Sendable {
  /// What a row counts.
  public struct Key: Hashable, Sendable {
    public var use: Use
    public var audience: Audience
    public var site: DimensionValue<String>
    public var modality: DimensionValue<String>
    public var department: DimensionValue<String>
    /// The first day of the month of acquisition.
    public var month: DimensionValue<LocalDay>
  }

  /// The class of an image, and for a covered one whether it ends within the days asked.
  public struct Standing: Hashable, Sendable {
    public var coverageClass: CoverageClass
    public var isExpiring: Bool
  }

  public struct Row: Hashable, Sendable {
    public var key: Key
    /// The denominator.
    public var images: Int
    public var patients: Int
    /// INVARIANT: adds up to `images`, since every image stands in exactly one way.
    public var counts: [Standing: Int]
  }

  /// The instant reported on.
  public var asOf: Instant
  /// The place in the feed whose facts are reported on.
  public var head: FeedHead
  public var policyVersion: Int
  /// The denominator: images that the filters select.
  public var images: Int
  /// The patients of these images.
  public var patients: Int
  /// In order of use, audience and the dimensions.
  public var rows: [Row]
}

public struct CoverageProgress: Hashable, Sendable {
  public var patientsDone: Int
  public var patientsTotal: Int
  public var imagesDone: Int
}

/// One image of the drill-down, with the records behind its class.
public struct CoveredImage: Sendable {
  public var image: ImageKey
  public var patient: PatientID
  public var standing: CoverageReport.Standing
  public var records: [DecidingRecord]
  public var expiresAt: Instant?
}

/// Adds images up, row by row.
struct CoverageTally: Sendable {
  private(set) var rows: [CoverageReport.Key: CoverageReport.Row] = [:]
  private(set) var images = 0
  private(set) var patients = 0
  private let maximumRows: Int

  init(maximumRows: Int) { self.maximumRows = maximumRows }

  /// Counts all images of one patient, so that the patient counts once in each row.
  mutating func add(
    _ images: [(image: ImageRecord, standings: [(CoverageReport.Key, CoverageReport.Standing)])]
  ) throws(ReportError) {
    guard !images.isEmpty else { return }
    self.images += images.count
    patients += 1
    var touched: Set<CoverageReport.Key> = []
    for (key, standing) in images.flatMap(\.standings) {
      var row =
        rows[key] ?? CoverageReport.Row(key: key, images: 0, patients: 0, counts: [:])
      row.images += 1
      row.counts[standing, default: 0] += 1
      if touched.insert(key).inserted { row.patients += 1 }
      rows[key] = row
      guard rows.count <= maximumRows else { throw .tooManyRows(limit: maximumRows) }
    }
  }

  var sortedRows: [CoverageReport.Row] { rows.values.sorted { $0.key.order < $1.key.order } }
}

extension CoverageReport.Key {
  init(use: Use, audience: Audience, image: ImageRecord, dimensions: Set<CoverageDimension>) {
    self.use = use
    self.audience = audience
    site = DimensionValue(image.site, isAsked: dimensions.contains(.site))
    modality = DimensionValue(image.modality, isAsked: dimensions.contains(.modality))
    department = DimensionValue(image.department, isAsked: dimensions.contains(.department))
    let day = image.acquiredDay.flatMap { day in
      LocalDay(year: day.civil.year, month: day.civil.month, day: 1)
    }
    month = DimensionValue(day, isAsked: dimensions.contains(.month))
  }

  fileprivate var order: [String] {
    func text(_ value: DimensionValue<String>) -> String {
      if case .value(let text) = value { return text }
      return ""
    }
    var monthText = ""
    if case .value(let day) = month { monthText = day.description }
    let cell = String(UnicodeScalar(use.rawValue)) + String(UnicodeScalar(audience.rawValue))
    return [cell, text(site), text(modality), text(department), monthText]
  }
}

extension [String] {
  fileprivate static func < (a: [String], b: [String]) -> Bool { a.lexicographicallyPrecedes(b) }
}
