import SwiftProtobuf

extension Message {
  /// Proto JSON on one line, with enum names.
  func json() throws -> String { try jsonString() }
}
