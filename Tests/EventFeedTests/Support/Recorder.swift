import Synchronization

/// Keeps what several tasks tell.
final class Recorder<Value: Sendable>: Sendable {
  private let kept = Mutex<[Value]>([])

  func record(_ value: Value) { kept.withLock { $0.append(value) } }

  var values: [Value] { kept.withLock { $0 } }
}
