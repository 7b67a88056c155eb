import NIOPosix

/// Gathers the answers given by one thread, so that they cross to their loops together.
///
/// An answer on its own wakes its loop, which then takes it while the next one is still being given:
/// a change of threads and a write for each. Whoever has the answers of a batch gives them in here.
public enum AnswersTogether {
  /// Runs `body`; what it gives to pending replies is handed over when it returns, each loop being
  /// woken once.
  public static func give(_ body: () -> Void) {
    guard current.currentValue == nil else { return body() }
    let gathered = Gathered()
    current.currentValue = gathered
    body()
    current.currentValue = nil
    for (loop, operations) in gathered.byLoop { loop.enqueue(operations) }
  }

  // Of one thread.
  private final class Gathered: @unchecked Sendable {
    /// As many as there are cores: looking through them is cheaper than a table.
    var byLoop: [(loop: LoopContext, operations: [LoopOperation])] = []
  }

  private static let current = ThreadSpecificVariable<Gathered>()

  /// - Returns: false where nothing is being gathered on this thread.
  static func take(_ operation: LoopOperation, for loop: LoopContext) -> Bool {
    guard let gathered = current.currentValue else { return false }
    if let index = gathered.byLoop.firstIndex(where: { $0.loop === loop }) {
      gathered.byLoop[index].operations.append(operation)
    } else {
      gathered.byLoop.append((loop, [operation]))
    }
    return true
  }
}
