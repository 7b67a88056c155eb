public import ConsentCore

/// What the coverage report can be broken down by, besides use and audience.
public enum CoverageDimension: CaseIterable, Hashable, Sendable {
  case site
  case modality
  case department
  /// The calendar month of acquisition, local.
  case month
}

public struct CoverageQuery: Hashable, Sendable {
  public var uses: ClosedSet<Use>
  public var audiences: ClosedSet<Audience>
  public var dimensions: Set<CoverageDimension>
  /// Only images of these; empty: of every one.
  public var sites: Set<String>
  public var modalities: Set<String>
  public var departments: Set<String>
  /// Only images acquired on these days, both inclusive; an unknown day is outside any limit.
  public var acquiredFrom: LocalDay?
  public var acquiredThrough: LocalDay?
  /// The past instant reported on, by what was known then; `nil`: now.
  public var asOf: Instant?
  /// An end within so many days makes a covered image an expiring one.
  public var expiringDays: Int
  /// Patients read in one snapshot.
  public var patientsPerPage: Int
  public var maximumRows: Int

  public init(
    uses: ClosedSet<Use> = .all, audiences: ClosedSet<Audience> = .all,
    dimensions: Set<CoverageDimension> = [], sites: Set<String> = [],
    modalities: Set<String> = [], departments: Set<String> = [], acquiredFrom: LocalDay? = nil,
    acquiredThrough: LocalDay? = nil, asOf: Instant? = nil, expiringDays: Int = 30,
    patientsPerPage: Int = 16, maximumRows: Int = 100_000
  ) {
    self.uses = uses
    self.audiences = audiences
    self.dimensions = dimensions
    self.sites = sites
    self.modalities = modalities
    self.departments = departments
    self.acquiredFrom = acquiredFrom
    self.acquiredThrough = acquiredThrough
    self.asOf = asOf
    self.expiringDays = expiringDays
    self.patientsPerPage = patientsPerPage
    self.maximumRows = maximumRows
  }

  func selects(_ image: ImageRecord) -> Bool {
    func isIn(_ wanted: Set<String>, _ value: String?) -> Bool {
      wanted.isEmpty || value.map(wanted.contains) ?? false
    }
    return isIn(sites, image.site) && isIn(modalities, image.modality)
      && isIn(departments, image.department) && wasAcquired(image.acquiredDay)
  }

  private func wasAcquired(_ day: LocalDay?) -> Bool {
    if acquiredFrom == nil, acquiredThrough == nil { return true }
    guard let day else { return false }
    return acquiredFrom.map { $0 <= day } ?? true && acquiredThrough.map { day <= $0 } ?? true
  }
}

/// The value of a dimension in a row.
public enum DimensionValue<Value: Hashable & Sendable>: Hashable, Sendable {
  /// The report is not broken down by it.
  case all
  /// The images of the row do not say.
  case unknown
  case value(Value)

  init(_ value: Value?, isAsked: Bool) {
    self = isAsked ? value.map { .value($0) } ?? .unknown : .all
  }
}
