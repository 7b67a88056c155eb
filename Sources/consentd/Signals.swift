import Dispatch
import Foundation
import Synchronization

/// SIGTERM and SIGINT as values: the first asks to end in good order, a second one to hurry. SIGHUP
/// asks to read files again. And SIGUSR1: an operator vouches for the clock.
final class Signals: Sendable {
  /// Kept only so that they go on; nothing touches them after `init`.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]
  let stream: AsyncStream<Int32>
  let confirmations: AsyncStream<Int32>
  private let hangup: Flag

  private final class Flag: Sendable {
    let isSet = Atomic<Bool>(false)
  }

  init() {
    let (stream, continuation) = AsyncStream<Int32>.makeStream()
    self.stream = stream
    let (confirmations, confirm) = AsyncStream<Int32>.makeStream()
    self.confirmations = confirmations
    let hangup = Flag()
    self.hangup = hangup
    unsafe sources = [SIGTERM, SIGINT, SIGHUP, SIGUSR1].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        switch number {
        case SIGHUP: hangup.isSet.store(true, ordering: .relaxed)
        case SIGUSR1: confirm.yield(number)
        default: continuation.yield(number)
        }
      }
      source.resume()
      return source
    }
    // A peer that went away is an error of one write, never the end of the program.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Whether a SIGHUP came since this was last asked.
  func takeHangup() -> Bool { hangup.isSet.exchange(false, ordering: .relaxed) }
}
