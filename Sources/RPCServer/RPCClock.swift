import NIOCore

/// The monotonic clock that deadlines are measured on.
public enum RPCClock {
  /// Nanoseconds since an arbitrary start; never goes back, unrelated to the time of day.
  @inline(__always)
  public static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }
}
