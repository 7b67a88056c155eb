/// What happened and is to be told, in order.
///
/// Four events a call pass through here, so those of streams are kept without counting references.
///
/// INVARIANT: a stream is alive while anything of it waits here. It is in its session's list until
/// it is closed, and from then on held by its `closed`, which is always its last.
@safe struct EventQueue: ~Copyable {
  @safe enum Note {
    case headers(Unmanaged<HTTP2Stream>)
    case data(Unmanaged<HTTP2Stream>)
    case end(Unmanaged<HTTP2Stream>)
    case drained(Unmanaged<HTTP2Stream>)
    /// Retained.
    case closed(Unmanaged<HTTP2Stream>, UInt32)
    /// The next one in `others`.
    case other
  }

  private var notes: [Note] = []
  private var next = 0
  private var others: [HTTP2Event] = []
  private var nextOther = 0

  deinit { _ = Self.closed(notes[next...]) }

  mutating func headers(_ stream: HTTP2Stream) {
    unsafe notes.append(.headers(.passUnretained(stream)))
  }
  mutating func data(_ stream: HTTP2Stream) {
    unsafe notes.append(.data(.passUnretained(stream)))
  }
  mutating func end(_ stream: HTTP2Stream) {
    unsafe notes.append(.end(.passUnretained(stream)))
  }
  mutating func drained(_ stream: HTTP2Stream) {
    unsafe notes.append(.drained(.passUnretained(stream)))
  }
  mutating func closed(_ stream: HTTP2Stream, _ code: UInt32) {
    unsafe notes.append(.closed(.passRetained(stream), code))
  }
  /// An event of the connection.
  mutating func other(_ event: HTTP2Event) {
    notes.append(.other)
    others.append(event)
  }

  mutating func takeNote() -> Note? {
    guard next < notes.count else {
      if next > 0 { forget() }
      return nil
    }
    next += 1
    return notes[next - 1]
  }

  mutating func take() -> HTTP2Event? {
    guard let note = takeNote() else { return nil }
    switch note {
    case .headers(let stream): return unsafe .headers(stream.takeUnretainedValue())
    case .data(let stream): return unsafe .data(stream.takeUnretainedValue())
    case .end(let stream): return unsafe .end(stream.takeUnretainedValue())
    case .drained(let stream): return unsafe .drained(stream.takeUnretainedValue())
    case .closed(let stream, let code):
      return unsafe .closed(stream.takeRetainedValue(), HTTP2ErrorCode(rawValue: code))
    case .other: return takeOther()
    }
  }

  /// After a note of one.
  mutating func takeOther() -> HTTP2Event {
    nextOther += 1
    return others[nextOther - 1]
  }

  /// Drops what was not told.
  ///
  /// - Returns: streams that closed among it.
  mutating func end() -> [HTTP2Stream] {
    let streams = Self.closed(notes[next...])
    forget()
    return streams
  }

  private mutating func forget() {
    notes.removeAll(keepingCapacity: notes.capacity <= 4_096)
    next = 0
    guard !others.isEmpty else { return }
    others = []
    nextOther = 0
  }

  private static func closed(_ notes: ArraySlice<Note>) -> [HTTP2Stream] {
    notes.compactMap { note in
      guard case .closed(let stream, _) = note else { return nil }
      return unsafe stream.takeRetainedValue()
    }
  }
}
