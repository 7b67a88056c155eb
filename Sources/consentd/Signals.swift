import Dispatch
import Foundation

/// SIGTERM and SIGINT as values: the first asks to end in good order, a second one to hurry.
final class Signals: Sendable {
  /// Kept only so that they go on; nothing touches them after `init`.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]
  let stream: AsyncStream<Int32>

  init() {
    let (stream, continuation) = AsyncStream<Int32>.makeStream()
    self.stream = stream
    unsafe sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield(number) }
      source.resume()
      return source
    }
    // A peer that went away is an error of one write, never the end of the program.
    signal(SIGPIPE, SIG_IGN)
  }
}
