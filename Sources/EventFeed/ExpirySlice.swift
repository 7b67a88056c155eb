internal import ConsentCore
internal import ConsentStore

/// What one transaction did, as the reply it is stored with.
struct SliceReply: Sendable, Equatable {
  /// Patients worked on, from the front of those given.
  var patients = 0
  var heldMicroseconds: Int64 = 0
  var lagMicroseconds: Int64 = 0
  var emitted: [EventKind: Int] = [:]

  var bytes: [UInt8] {
    let counts = emitted.sorted { $0.key.rawValue < $1.key.rawValue }
      .flatMap { [Int64($0.key.rawValue), Int64($0.value)] }
    return ([Int64(patients), heldMicroseconds, lagMicroseconds] + counts).flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
  }

  init() {}

  /// `nil` unless the bytes are those of a reply.
  init?(bytes: [UInt8]) {
    guard bytes.count >= 24, bytes.count % 16 == 8 else { return nil }
    let words = stride(from: 0, to: bytes.count, by: 8).map { start in
      bytes[start..<start + 8].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }
    guard let patients = Int(exactly: words[0]), patients >= 0 else { return nil }
    self.patients = patients
    heldMicroseconds = words[1]
    lagMicroseconds = words[2]
    for index in stride(from: 3, to: words.count, by: 2) {
      guard let number = UInt8(exactly: words[index]), let kind = EventKind(rawValue: number),
        let count = Int(exactly: words[index + 1])
      else { return nil }
      emitted[kind] = count
    }
  }

  mutating func count(_ change: Change, at: Instant) {
    for event in change.events {
      emitted[event.kind, default: 0] += 1
      lagMicroseconds = max(lagMicroseconds, event.occurred.microseconds(until: at))
    }
  }
}

extension Instant {
  /// Microseconds from here to `later`, held at the ends of the range.
  func microseconds(until later: Instant) -> Int64 {
    let (difference, overflow) = later.microseconds.subtractingReportingOverflow(microseconds)
    guard overflow else { return difference }
    return later < self ? .min : .max
  }
}
