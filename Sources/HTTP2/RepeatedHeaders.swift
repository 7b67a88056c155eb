internal import CNghttp2

/// The last request's header list of a connection, against which the next one is compared while it
/// arrives: a client's calls mostly begin alike, and then nothing is copied.
///
/// nghttp2 lends a name or value out of its dynamic table as the same counted buffer each time, so
/// that one look at the address suffices. The buffers compared with are kept alive here: an address
/// must not come to mean other text.
@safe struct RepeatedHeaders: ~Copyable {
  private(set) var fields = HTTP2Fields()
  private var names: [OpaquePointer?] = unsafe []
  private var values: [OpaquePointer?] = unsafe []
  /// Fields of the arriving list that are those of the last one; -1 when it has become another.
  private var matched = -1

  /// Lists longer than this are not worth keeping while a connection is idle.
  private static let longest = 2_048

  deinit { letGo() }

  private func letGo() {
    for index in 0..<fields.count {
      unsafe nghttp2_rcbuf_decref(names[index])
      unsafe nghttp2_rcbuf_decref(values[index])
    }
  }

  mutating func begin() { matched = fields.count > 0 ? 0 : -1 }

  /// Takes a field if it is the last list's next one.
  mutating func takes(_ name: OpaquePointer?, _ value: OpaquePointer?) -> Bool {
    let index = matched
    guard index >= 0, index < fields.count else { return false }
    if unsafe names[index] != name || values[index] != value {
      guard unsafe fields.has(index, nghttp2_rcbuf_get_buf(name), nghttp2_rcbuf_get_buf(value))
      else { return false }
      unsafe Self.keep(name, in: &names[index])
      unsafe Self.keep(value, in: &values[index])
    }
    matched = index + 1
    return true
  }

  private static func keep(_ buffer: OpaquePointer?, in place: inout OpaquePointer?) {
    unsafe nghttp2_rcbuf_incref(buffer)
    if let before = unsafe place { unsafe nghttp2_rcbuf_decref(before) }
    unsafe place = unsafe buffer
  }

  /// Where the arriving list is another one after all: what was taken of it so far.
  ///
  /// - Returns: `nil` if that was known before.
  mutating func part() -> HTTP2Fields? {
    guard matched >= 0 else { return nil }
    defer { matched = -1 }
    return fields.prefix(matched)
  }

  /// The list has arrived whole.
  ///
  /// - Returns: the last list if it is the same.
  mutating func whole() -> HTTP2Fields? {
    guard matched == fields.count else { return nil }
    matched = -1
    return fields
  }

  /// The next list is compared with this one.
  mutating func remember(_ list: HTTP2Fields) {
    guard list.listSize <= Self.longest else { return }
    letGo()
    fields = list
    unsafe names = Array(repeating: nil, count: list.count)
    unsafe values = Array(repeating: nil, count: list.count)
  }
}

extension HTTP2Fields {
  fileprivate func has(_ index: Int, _ name: nghttp2_vec, _ value: nghttp2_vec) -> Bool {
    let field = fields[index]
    guard unsafe Int(field.nameCount) == name.len, unsafe Int(field.valueCount) == value.len
    else { return false }
    return unsafe bytes.withUnsafeBytes { text in
      let start = Int(field.nameStart)
      let end = start + Int(field.nameCount)
      return unsafe Self.areSame(
        UnsafeRawBufferPointer(rebasing: text[start..<end]),
        UnsafeRawBufferPointer(start: name.base, count: name.len))
        && Self.areSame(
          UnsafeRawBufferPointer(rebasing: text[end..<(end + Int(field.valueCount))]),
          UnsafeRawBufferPointer(start: value.base, count: value.len))
    }
  }

  /// The first `count` fields.
  fileprivate func prefix(_ count: Int) -> HTTP2Fields {
    var part = HTTP2Fields()
    part.reserve(fields: 12, bytes: 256)
    for index in 0..<count { part.add(name(index), value(index)) }
    return part
  }
}
