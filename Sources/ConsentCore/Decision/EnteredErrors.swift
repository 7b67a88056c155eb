/// The records that were entered in error: never valid, at whatever instant one asks.
struct EnteredErrors {
  private let targets: Set<RecordReference>

  init(_ records: [EnteredInError]) {
    guard !records.isEmpty else {
      targets = []
      return
    }
    // A report of an error may itself be entered in error; the target then stands again.
    var reportsOnReports: [RecordID: [EnteredInError]] = [:]
    for record in records where record.target.kind == .enteredInError {
      reportsOnReports[record.target.id, default: []].append(record)
    }
    func counts(_ record: EnteredInError, below path: Set<RecordID>) -> Bool {
      let id: RecordID = record.id.retyped()
      guard !path.contains(id) else { return true }
      return !(reportsOnReports[id] ?? []).contains {
        counts($0, below: path.union([id]))
      }
    }
    targets = Set(records.filter { counts($0, below: []) }.map(\.target))
  }

  func contains(_ kind: RecordKind, _ id: RecordID) -> Bool {
    !targets.isEmpty && targets.contains(RecordReference(kind: kind, id: id))
  }

  func contains<Subject>(_ kind: RecordKind, _ id: ID<Subject>) -> Bool {
    !targets.isEmpty && targets.contains(RecordReference(kind: kind, id: id.retyped()))
  }
}
