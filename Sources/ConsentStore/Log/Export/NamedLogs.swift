internal import ConsentCore

/// What activity logs name of others, gathered in front of an export: so that whoever reads it once
/// knows at which sizes of a log to look at its root. It proves nothing; each record that names logs
/// is compared with it.
struct NamedLogs {
  private var sizes: [ID<DecisionLog>: Set<UInt64>] = [:]

  /// - Parameter logs: activity logs; the first batch of each names others.
  init(of logs: [LogSummary], in reader: any LogReader) throws {
    for log in logs where log.size > 0 {
      try reader.batches(of: log.id, 0..<1) { batch in
        for bytes in batch.records {
          guard case .logs(let named)? = ActivityRecord(bytes)?.activity else { continue }
          for log in named { sizes[log.id, default: []].insert(log.size) }
        }
      }
    }
  }

  var isEmpty: Bool { sizes.isEmpty }

  func frame(of organization: OrganizationID) -> [UInt8] {
    var form = CanonicalBytes()
    form.append(byte: LogExport.Frame.named)
    form.append(organization)
    form.append(count: sizes.values.map(\.count).reduce(0, +))
    for (log, sizes) in sizes.sorted(by: { $0.key < $1.key }) {
      for size in sizes.sorted() {
        form.append(log)
        form.append(size)
      }
    }
    return form.bytes
  }
}
