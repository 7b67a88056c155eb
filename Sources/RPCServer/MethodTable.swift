/// Methods by path bytes, without making a String of the path: open addressing over FNV-1a.
struct MethodTable: Sendable {
  private let slots: [(path: [UInt8], method: RPCMethod)?]
  private let mask: Int
  let methods: [RPCMethod]

  init(_ methods: [RPCMethod]) {
    self.methods = methods
    var size = 16
    while size < methods.count * 4 { size *= 2 }
    var slots: [(path: [UInt8], method: RPCMethod)?] = Array(repeating: nil, count: size)
    for method in methods {
      let path = Array(method.info.path.utf8)
      var index = Self.hash(path[...]) & (size - 1)
      while let taken = slots[index] {
        precondition(taken.path != path, "two methods have the path \(method.info.path)")
        index = (index + 1) & (size - 1)
      }
      slots[index] = (path, method)
    }
    self.slots = slots
    mask = size - 1
  }

  subscript(path: ArraySlice<UInt8>) -> RPCMethod? {
    var index = Self.hash(path) & mask
    while let slot = slots[index] {
      if slot.path.elementsEqual(path) { return slot.method }
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
