import NIOCore
import NIOPosix
import Synchronization

/// The threads that handlers' tasks run on, shared fairly: connections take turns, one step of a
/// handler at a time, whatever each of them has waiting. With one queue for all, a caller that asks for
/// forty answers of a megabyte makes everybody else wait for the forty.
///
/// One connection has at most as many threads as there are cores. There is one thread more, so that
/// another connection never waits for a step to end, only for its share of a core.
final class HandlerPool: Sendable {
  private struct Board {
    /// Lanes with steps that may run, each once, in the order of their turns.
    var turns: [HandlerLane] = []
    var first = 0
    /// Threads that look for steps, or will.
    var awake = 0
  }

  private let board = Mutex(Board())
  private let threads: NIOThreadPool
  private let threadCount: Int
  private let threadsPerLane: Int

  init(cores: Int = System.coreCount) {
    threadsPerLane = max(1, cores)
    threadCount = threadsPerLane + 1
    threads = NIOThreadPool(numberOfThreads: threadCount)
  }

  func start() { threads.start() }

  func stop() async { try? await threads.shutdownGracefully() }

  fileprivate func add(_ job: UnownedJob, to lane: HandlerLane) {
    let needsThread = board.withLock { board in
      lane.waiting.append(job)
      line(up: lane, &board)
      guard lane.isLinedUp, board.awake < threadCount else { return false }
      board.awake += 1
      return true
    }
    guard needsThread else { return }
    // Runs here and now if the threads have been stopped: a handler that is late ends all the same.
    threads.submit { _ in self.run() }
  }

  private func line(up lane: HandlerLane, _ board: inout Board) {
    guard !lane.isLinedUp, lane.hasSteps, lane.running < threadsPerLane else { return }
    lane.isLinedUp = true
    board.turns.append(lane)
  }

  /// Runs steps until none may run: what is left then waits for a thread that is running a step of the
  /// same lane.
  private func run() {
    var ended: HandlerLane?
    while true {
      let next: (HandlerLane, UnownedJob)? = board.withLock { board in
        if let ended {
          ended.running -= 1
          line(up: ended, &board)
        }
        let next = take(&board)
        if next == nil { board.awake -= 1 }
        return next
      }
      guard let (lane, job) = next else { return }
      unsafe job.runSynchronously(on: lane.asUnownedTaskExecutor())
      ended = lane
    }
  }

  private func take(_ board: inout Board) -> (HandlerLane, UnownedJob)? {
    guard board.first < board.turns.count else { return nil }
    let lane = board.turns[board.first]
    board.first += 1
    if board.first == board.turns.count || board.first >= 1_024 {
      board.turns.removeFirst(board.first)
      board.first = 0
    }
    lane.isLinedUp = false
    lane.running += 1
    let job = lane.takeStep()
    line(up: lane, &board)
    return (lane, job)
  }
}

/// The handlers of one connection, as their pool sees them.
///
/// INVARIANT: its variables are touched under the lock of its pool only.
final class HandlerLane: TaskExecutor, @unchecked Sendable {
  private let pool: HandlerPool
  /// Answers of the connection wait in vain for its peer: handlers that have not begun are refused,
  /// since theirs would be too.
  let answersPileUp = Atomic<Bool>(false)
  fileprivate var waiting: [UnownedJob] = []
  private var firstWaiting = 0
  fileprivate var running = 0
  fileprivate var isLinedUp = false

  init(pool: HandlerPool) { self.pool = pool }

  func enqueue(_ job: consuming ExecutorJob) { pool.add(UnownedJob(job), to: self) }

  fileprivate var hasSteps: Bool { firstWaiting < waiting.count }

  fileprivate func takeStep() -> UnownedJob {
    let job = waiting[firstWaiting]
    firstWaiting += 1
    if firstWaiting == waiting.count {
      waiting.removeAll(keepingCapacity: waiting.capacity <= 128)
      firstWaiting = 0
    }
    return job
  }
}
