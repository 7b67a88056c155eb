import Dispatch
import Foundation

/// SIGTERM and SIGINT as values: the first asks to end in good order, a second one to hurry. And
/// SIGUSR1: an operator vouches for the clock.
final class Signals: Sendable {
  /// Kept only so that they go on; nothing touches them after `init`.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]
  let stream: AsyncStream<Int32>
  let confirmations: AsyncStream<Int32>

  init() {
    let (stream, continuation) = AsyncStream<Int32>.makeStream()
    self.stream = stream
    let (confirmations, confirm) = AsyncStream<Int32>.makeStream()
    self.confirmations = confirmations
    unsafe sources = [SIGTERM, SIGINT, SIGUSR1].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { (number == SIGUSR1 ? confirm : continuation).yield(number) }
      source.resume()
      return source
    }
    // A peer that went away is an error of one write, never the end of the program.
    signal(SIGPIPE, SIG_IGN)
  }
}
