/// One version of what decisions may know of a patient: no name, no birth date.
///
/// Demographics are kept by the store, encrypted; the one thing a decision needs of them, the
/// instant of majority, is computed when the version is recorded.
public struct PatientRecord: Hashable, Sendable, Codable {
  /// Identity of this version.
  public var recordID: RecordID
  public var id: PatientID
  public var version: Int
  /// Local midnight at which the individual reaches the organization's age of majority; `nil` if
  /// the birth date is unknown.
  public var majority: Instant?
  /// The local day that begins at `majority`; tells whether a paper that bears only a day was
  /// signed before it. `nil`: read off `majority`.
  public var majorityDay: LocalDay?
  /// Version of the time zone data that `majority` was computed with.
  public var timeZoneDataVersion: String
  public var stamp: Stamp

  public init(
    recordID: RecordID, id: PatientID, version: Int, majority: Instant?,
    timeZoneDataVersion: String, stamp: Stamp = .unstamped, majorityDay: LocalDay? = nil
  ) {
    self.recordID = recordID
    self.id = id
    self.version = version
    self.majority = majority
    self.timeZoneDataVersion = timeZoneDataVersion
    self.stamp = stamp
    self.majorityDay = majorityDay
  }
}

/// Two registrations turned out to be one person.
public struct PatientMerge: Hashable, Sendable, Codable {
  public var id: ID<PatientMerge>
  public var survivor: PatientID
  public var merged: PatientID
  public var stamp: Stamp
  /// Why, in the recorder's words; no decision reads it.
  public var note: String?

  public init(
    id: ID<PatientMerge>, survivor: PatientID, merged: PatientID, stamp: Stamp = .unstamped,
    note: String? = nil
  ) {
    self.id = id
    self.survivor = survivor
    self.merged = merged
    self.stamp = stamp
    self.note = note
  }
}

/// A merge was a mistake. Records made while merged are assigned to their member; one that is not
/// yet assigned restricts both members and permits neither.
public struct PatientUnmerge: Hashable, Sendable, Codable {
  public var id: ID<PatientUnmerge>
  public var merge: ID<PatientMerge>
  public var assignments: [Assignment]
  public var stamp: Stamp
  /// Why, in the recorder's words; no decision reads it.
  public var note: String?

  public struct Assignment: Hashable, Sendable, Codable {
    public var record: RecordID
    public var patient: PatientID

    public init(record: RecordID, patient: PatientID) {
      self.record = record
      self.patient = patient
    }
  }

  public init(
    id: ID<PatientUnmerge>, merge: ID<PatientMerge>, assignments: [Assignment],
    stamp: Stamp = .unstamped, note: String? = nil
  ) {
    self.id = id
    self.merge = merge
    self.assignments = assignments
    self.stamp = stamp
    self.note = note
  }
}
