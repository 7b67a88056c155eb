import ConsentCore

/// One statement split into words and options.
struct Words {
  private var plain: [String] = []
  private var options: [String: String] = [:]

  init(_ text: some StringProtocol) {
    for word in text.split(whereSeparator: \.isWhitespace) {
      if let equals = word.firstIndex(of: "=") {
        options[String(word[..<equals])] = String(word[word.index(after: equals)...])
      } else {
        plain.append(String(word))
      }
    }
  }

  var verb: String? { plain.first }
  subscript(key: String) -> String? { options[key] }

  func at(_ index: Int) throws -> String {
    guard plain.indices.contains(index) else {
      throw World.NotationError(description: "too few words: \(plain)")
    }
    return plain[index]
  }

  func require(_ key: String) throws -> String {
    guard let value = options[key] else {
      throw World.NotationError(description: "no \(key) in \(plain)")
    }
    return value
  }

  func list(_ key: String) -> [String] {
    options[key]?.split(separator: ",").map(String.init) ?? []
  }

  func set<Element>(_ key: String) throws -> ClosedSet<Element>
  where Element: NamedWord & RawRepresentable & Sendable, Element.RawValue == UInt8 {
    options[key] == "ALL" ? .all : ClosedSet(try list(key).map { try word($0) })
  }
}

func word<Element: NamedWord>(_ name: String) throws -> Element {
  guard let element = Element(name: name) else {
    throw World.NotationError(description: "no word \(name)")
  }
  return element
}

/// `P12` and `P12v3`: letter, number, version.
func id<Subject>(_ name: String) throws -> ID<Subject> {
  guard let letter = name.utf8.first else { throw World.NotationError(description: "no name") }
  let parts = name.dropFirst().split(separator: "v").compactMap { UInt64($0) }
  guard let number = parts.first else {
    throw World.NotationError(description: "no number in \(name)")
  }
  return ID(high: UInt64(letter) << 32 | (parts.count > 1 ? parts[1] : 0), low: number)
}

/// `I7` is the SOP instance 1.2.3.7, `H7` a picture known by its hash.
func key(_ name: String) throws -> ImageKey {
  let number = String(name.dropFirst())
  let key =
    name.hasPrefix("H")
    ? ImageKey(sha256: [UInt8](repeating: UInt8(number) ?? 0, count: 32))
    : ImageKey(sopInstanceUID: "1.2.3." + number)
  guard let key else { throw World.NotationError(description: "no image \(name)") }
  return key
}

func identifier(_ name: String) -> Identifier { Identifier(system: "urn:test", value: name) }

/// `PERSON.x`, `ORGANIZATION.x`, `CLASS.x`, `VENUE.x`; `PERSON.?` is named in words only. Further
/// names after `+` are memberships.
func party(_ text: String) -> Party {
  let names = text.split(separator: "+").map(String.init)
  let parts = names[0].split(separator: ".").map(String.init)
  let kind = RecipientKind(name: parts[0]) ?? .person
  let name = parts.count > 1 ? parts[1] : "?"
  return Party(
    kind: kind, identifier: name == "?" ? nil : identifier(name), name: "as written",
    memberOf: names.dropFirst().map(identifier))
}

func scope(_ text: String) throws -> Scope {
  let parts = text.split(separator: ":").map(String.init)
  return switch parts[0] {
  case "image": .image(try key(parts[1]))
  case "series": .series(uid: parts[1])
  case "study": .study(uid: parts[1])
  default: .patient
  }
}

/// `2026-12-31` is the last day, ending at the next midnight of Chicago in winter; an instant is
/// the end itself.
func expiry(_ text: String) throws -> Expiry {
  if text == "majority" { return .majority }
  if text == "none" { return .none }
  if text.hasPrefix("event:") { return .event(try id(String(text.dropFirst(6)))) }
  let last = try day(String(text.prefix(10)))
  return .date(
    last,
    until: text.count > 10
      ? try instant(text)
      : try instant(text).adding(microseconds: 30 * .microsecondsPerHour))
}

func reference(_ parts: [Substring]) throws -> RecordReference {
  let kind: RecordKind = try word(String(parts[0]))
  return RecordReference(kind: kind, id: try id(String(parts[1])))
}

func day(_ text: String) throws -> LocalDay {
  let negative = text.hasPrefix("-")
  let parts = text.split(separator: "-").compactMap { Int($0) }
  guard !negative, parts.count == 3,
    let day = LocalDay(year: parts[0], month: parts[1], day: parts[2])
  else { throw World.NotationError(description: "no day \(text)") }
  return day
}

/// A day alone is its midnight in UTC.
func instant(_ text: String) throws -> Instant {
  let parts = text.split(separator: "T")
  let days = Int64(try day(String(parts[0])).daysSince1970)
  var microseconds: Int64 = 0
  if parts.count > 1 {
    let clock = parts[1].dropLast().split(separator: ":")
    guard clock.count == 3, let hours = Int64(clock[0]), let minutes = Int64(clock[1]) else {
      throw World.NotationError(description: "no instant \(text)")
    }
    let seconds = clock[2].split(separator: ".")
    var fraction = seconds.count > 1 ? String(seconds[1]) : ""
    while fraction.count < 6 { fraction.append("0") }
    microseconds =
      ((hours * 60 + minutes) * 60 + (Int64(seconds[0]) ?? 0)) * 1_000_000 + (Int64(fraction) ?? 0)
  }
  return Instant(microseconds: days * .microsecondsPerDay + microseconds)
}
