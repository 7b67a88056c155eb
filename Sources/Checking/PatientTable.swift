internal import ConsentCore

/// Circles by patient. Most patients have one of their own: a hash table of circle numbers, 4 bytes
/// a place; whose they are is said by the circles. Those of several patients are few.
struct PatientTable {
  typealias Circles = ContiguousArray<CircleState?>

  private static let none = UInt32.max
  private static let key = UInt64.random(in: .min ... .max)

  private var slots: ContiguousArray<UInt32> = []
  private var count = 0
  private var shared: [PatientID: [CircleID]] = [:]

  private static func owner(_ number: UInt32, _ circles: Circles) -> PatientID? {
    circles[Int(number)]?.patients.only
  }

  private static func place(_ patient: PatientID, _ mask: Int) -> Int {
    // Identities are drawn at random by this service; the key is for those that were not.
    let mixed = (patient.low ^ patient.high &* 0x9E37_79B9_7F4A_7C15 ^ key) &* 0xD6E8_FEB8_6659_FD93
    return Int(truncatingIfNeeded: mixed >> 32) & mask
  }

  /// The circle of this patient alone.
  func own(_ patient: PatientID, in circles: Circles) -> CircleID? {
    guard let slot = slot(of: patient, in: circles) else { return nil }
    return CircleID(number: slots[slot])
  }

  /// All of them.
  func circles(of patient: PatientID, in circles: Circles) -> [CircleID] {
    let others = shared.isEmpty ? [] : shared[patient] ?? []
    return own(patient, in: circles).map { [$0] + others } ?? others
  }

  /// The circle of exactly these.
  func circle(of patients: CirclePatients, in circles: Circles) -> CircleID? {
    switch patients {
    case .nobody: nil
    case .one(let patient): own(patient, in: circles)
    case .several(let all):
      shared[all[0]]?.first { circles[Int($0.number)]?.patients == patients }
    }
  }

  /// - Parameter circle: its patients have none of theirs.
  mutating func insert(_ circle: CircleID, of patients: CirclePatients, in circles: Circles) {
    switch patients {
    case .nobody: break
    case .one(let patient):
      if (count + 1) * 4 > slots.count * 3 { grow(in: circles) }
      put(circle.number, patient)
      count += 1
    case .several(let patients):
      for patient in patients { shared[patient, default: []].append(circle) }
    }
  }

  /// To be called while the circle is still there.
  mutating func remove(_ circle: CircleID, of patients: CirclePatients, in circles: Circles) {
    switch patients {
    case .nobody: break
    case .one(let patient): remove(patient, in: circles)
    case .several(let patients):
      for patient in patients {
        shared[patient]?.removeAll { $0 == circle }
        if shared[patient]?.isEmpty == true { shared[patient] = nil }
      }
    }
  }

  private func slot(of patient: PatientID, in circles: Circles) -> Int? {
    guard !slots.isEmpty else { return nil }
    let mask = slots.count - 1
    var slot = Self.place(patient, mask)
    while slots[slot] != Self.none {
      if Self.owner(slots[slot], circles) == patient { return slot }
      slot = (slot + 1) & mask
    }
    return nil
  }

  private mutating func remove(_ patient: PatientID, in circles: Circles) {
    guard var hole = slot(of: patient, in: circles) else { return }
    let mask = slots.count - 1
    // What stands behind the hole moves into it unless it would then be before its own place.
    var slot = hole
    while true {
      slot = (slot + 1) & mask
      guard slots[slot] != Self.none, let other = Self.owner(slots[slot], circles) else { break }
      if (slot - Self.place(other, mask)) & mask >= (slot - hole) & mask {
        slots[hole] = slots[slot]
        hole = slot
      }
    }
    slots[hole] = Self.none
    count -= 1
  }

  private mutating func put(_ number: UInt32, _ patient: PatientID) {
    let mask = slots.count - 1
    var slot = Self.place(patient, mask)
    while slots[slot] != Self.none { slot = (slot + 1) & mask }
    slots[slot] = number
  }

  private mutating func grow(in circles: Circles) {
    let old = slots
    slots = ContiguousArray(repeating: Self.none, count: max(16, old.count * 2))
    for number in old where number != Self.none {
      if let patient = Self.owner(number, circles) { put(number, patient) }
    }
  }
}
