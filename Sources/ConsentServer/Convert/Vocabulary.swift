import ConsentCore
import ConsentProto
import SwiftProtobuf

// Closed word lists have the same numbers on the wire, in the log and in the core, so one pair of
// functions converts all of them. A test compares every number and name.

extension RequestReader {
  /// A word of a closed list; `nil` if it is not stated.
  mutating func word<Proto: SwiftProtobuf.Enum, Word: RawRepresentable>(
    _ value: Proto, _ field: StaticString, _ presence: Presence, reason: String? = nil,
    as word: Word.Type = Word.self
  ) -> Word? where Word.RawValue: FixedWidthInteger {
    guard value.rawValue != 0 else {
      if presence == .required { refuse(field, "is required", reason: reason) }
      return nil
    }
    guard let word = Word(number: value.rawValue) else {
      refuse(field, "is not a value that this version knows")
      return nil
    }
    return word
  }

  /// A set of words; the same word twice is once.
  mutating func set<Proto: SwiftProtobuf.Enum, Word>(
    _ values: [Proto], _ field: StaticString, as word: Word.Type = Word.self
  ) -> ClosedSet<Word> where Word: RawRepresentable & CaseIterable & Sendable {
    var set = ClosedSet<Word>()
    for word in words(values, field, as: Word.self) { set.insert(word) }
    return set
  }

  mutating func words<Proto: SwiftProtobuf.Enum, Word: RawRepresentable>(
    _ values: [Proto], _ field: StaticString, as word: Word.Type = Word.self
  ) -> [Word] where Word.RawValue: FixedWidthInteger {
    each(values, field, atMost: 64) { reader, value in
      guard value.rawValue != 0, let word = Word(number: value.rawValue) else {
        reader.refuse("is not a value that this version knows")
        return nil
      }
      return word
    }
  }

  /// Yes, no, or not stated.
  mutating func stated(_ value: Consent_V1_Stated, _ field: StaticString) -> Bool? {
    switch value {
    case .unspecified: return nil
    case .yes: return true
    case .no: return false
    case .UNRECOGNIZED:
      refuse(field, "is not a value that this version knows")
      return nil
    }
  }

  mutating func claim(_ value: Consent_V1_Stated, _ field: StaticString) -> Claim {
    switch stated(value, field) {
    case nil: .absent
    case true?: .yes
    case false?: .no
    }
  }
}

extension RawRepresentable where RawValue: FixedWidthInteger {
  /// The word with a number from the wire.
  init?(number: Int) {
    guard let raw = RawValue(exactly: number) else { return nil }
    self.init(rawValue: raw)
  }

  /// The same word on the wire.
  func proto<Proto: SwiftProtobuf.Enum>(as type: Proto.Type = Proto.self) -> Proto {
    Proto(rawValue: Int(rawValue)) ?? Proto()
  }
}

extension ClosedSet {
  func proto<Proto: SwiftProtobuf.Enum>(as type: Proto.Type = Proto.self) -> [Proto] {
    elements.map { $0.proto() }
  }
}

extension Consent_V1_Stated {
  init(_ value: Bool?) {
    switch value {
    case nil: self = .unspecified
    case true?: self = .yes
    case false?: self = .no
    }
  }

  init(_ claim: Claim) {
    switch claim {
    case .absent: self = .unspecified
    case .yes: self = .yes
    case .no: self = .no
    }
  }
}
