import ConsentProto
import ConsentStore

extension KnownPosition {
  /// Whether the view contains the change the caller knows of, in the same history.
  ///
  /// - Throws: `.unavailable` if not: another node, or this one in a moment, may answer.
  func require(in reader: any FactReader) throws {
    guard position > 0 else { return }
    guard position <= reader.head.position else {
      throw ServiceError.unavailable("position \(position) has not been reached here")
    }
    guard !chain.isEmpty else { return }
    let held =
      position == reader.head.position ? reader.head.chain : try reader.head(at: position)?.chain
    guard held == chain else {
      throw ServiceError.unavailable("position \(position) belongs to another history")
    }
  }
}

extension RequestReader {
  mutating func minPosition(_ value: Consent_V1_FeedPosition?) -> KnownPosition? {
    position(value, "min_position")
  }
}
