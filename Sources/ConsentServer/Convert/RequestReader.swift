/// Reads the messages of a request into domain values and collects everything that is wrong with
/// them, so that a caller learns of all faults at once.
///
/// A reading function returns `nil` for a value that is absent or wrong; only a wrong one leaves a
/// violation. So readers go on to the end, and `read` throws what was collected.
///
/// The path to the current field is a stack of constants: it is put into words only for a
/// violation, and a request without fault costs no text.
struct RequestReader {
  private enum Segment {
    case field(StaticString)
    case index(Int)
  }

  private var path: [Segment] = []
  private(set) var violations: [InvalidField] = []

  init() {}

  /// Whether a field has to be there.
  enum Presence {
    case required
    case optional
  }

  mutating func refuse(_ field: StaticString, _ description: String, reason: String? = nil) {
    path.append(.field(field))
    refuse(description, reason: reason)
    path.removeLast()
  }

  /// Refuses the field that is being read.
  mutating func refuse(_ description: String, reason: String? = nil) {
    // What is told is bounded; what is wrong need not be.
    guard violations.count < 64 else { return }
    violations.append(InvalidField(field: pathText, description: description, reason: reason))
  }

  /// Reads the fields of a message that stands in `field`.
  mutating func within<Value>(
    _ field: StaticString, _ body: (inout RequestReader) -> Value
  ) -> Value {
    path.append(.field(field))
    defer { path.removeLast() }
    return body(&self)
  }

  /// Reads each element of a repeated field; wrong ones are left out and named by their index.
  mutating func each<Element, Value>(
    _ elements: [Element], _ field: StaticString, atMost limit: Int = 1_000,
    _ body: (inout RequestReader, Element) -> Value?
  ) -> [Value] {
    guard elements.count <= limit else {
      refuse(field, "holds more than \(limit) elements; send fewer at a time")
      return []
    }
    guard !elements.isEmpty else { return [] }
    var values: [Value] = []
    values.reserveCapacity(elements.count)
    path.append(.field(field))
    for (index, element) in elements.enumerated() {
      path.append(.index(index))
      if let value = body(&self, element) { values.append(value) }
      path.removeLast()
    }
    path.removeLast()
    return values
  }

  private var pathText: String {
    var text = ""
    for segment in path {
      switch segment {
      case .field(let name):
        if !text.isEmpty { text += "." }
        text += name.description
      case .index(let index): text += "[\(index)]"
      }
    }
    return text
  }

  /// - Throws: everything that is wrong with the request; nothing was done.
  static func read<Value>(
    _ body: (inout RequestReader) -> Value?
  ) throws(ServiceError) -> Value {
    var reader = RequestReader()
    let value = body(&reader)
    guard let value, reader.violations.isEmpty else { throw reader.error }
    return value
  }

  /// The reason in the error is that of the first field that a decision asks for, else a fixed one.
  private var error: ServiceError {
    let reason = violations.lazy.compactMap(\.reason).first ?? "INVALID_FIELD"
    guard violations.isEmpty else { return .invalidArgument(violations, reason: reason) }
    return .invalid("request", "is not complete")
  }
}
