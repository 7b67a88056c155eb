/// Methods by path bytes, without making a String of the path: open addressing over FNV-1a.
struct MethodTable: Sendable {
  private struct Slot: Sendable {
    /// Where its path stands in `paths`; -1 for an empty slot.
    var start = -1
    var count = 0
    /// Its place in `methods`.
    var method = 0
  }

  private let slots: [Slot]
  private let paths: [UInt8]
  private let mask: Int
  let methods: [RPCMethod]

  init(_ methods: [RPCMethod]) {
    self.methods = methods
    var size = 16
    while size < methods.count * 4 { size *= 2 }
    var slots = Array(repeating: Slot(), count: size)
    var paths: [UInt8] = []
    for (number, method) in methods.enumerated() {
      let path = Array(method.info.path.utf8)
      var index = Self.hash(path[...]) & (size - 1)
      while slots[index].start >= 0 {
        precondition(
          methods[slots[index].method].info.path != method.info.path,
          "two methods have the path \(method.info.path)")
        index = (index + 1) & (size - 1)
      }
      slots[index] = Slot(start: paths.count, count: path.count, method: number)
      paths += path
    }
    self.slots = slots
    self.paths = paths
    mask = size - 1
  }

  subscript(path: ArraySlice<UInt8>) -> RPCMethod? {
    var index = Self.hash(path) & mask
    while slots[index].start >= 0 {
      let slot = slots[index]
      if slot.count == path.count,
        paths[slot.start..<(slot.start + slot.count)].elementsEqual(path)
      {
        return methods[slot.method]
      }
      index = (index + 1) & mask
    }
    return nil
  }

  private static func hash(_ bytes: ArraySlice<UInt8>) -> Int {
    var hash: UInt32 = 2_166_136_261
    for byte in bytes { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    return Int(hash)
  }
}
