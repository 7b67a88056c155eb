import Dispatch
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
    /// One of them has been woken and not looked yet. It wakes the next if there is work for two:
    /// steps of a microsecond are soon done, and waking a thread for each would cost more than they.
    var isWaking = false
    var isStopped = false

    var hasTurn: Bool { first < turns.count }
  }

  private let board = Mutex(Board())
  private let bell = DispatchSemaphore(value: 0)
  private let threads: NIOThreadPool
  private let threadCount: Int
  private let threadsPerLane: Int

  init(cores: Int = System.coreCount) {
    threadsPerLane = max(1, cores)
    threadCount = threadsPerLane + 1
    threads = NIOThreadPool(numberOfThreads: threadCount)
  }

  func start() {
    threads.start()
    for _ in 0..<threadCount {
      threads.submit { state in
        guard case .active = state else { return }
        while !self.board.withLock({ $0.isStopped }) {
          self.bell.wait()
          self.run(isWoken: true)
        }
      }
    }
  }

  func stop() async {
    board.withLock { $0.isStopped = true }
    for _ in 0..<threadCount { bell.signal() }
    try? await threads.shutdownGracefully()
  }

  fileprivate func add(_ job: UnownedJob, to lane: HandlerLane) {
    let (wakes, isStopped) = board.withLock { board in
      lane.waiting.append(job)
      line(up: lane, &board)
      return (wakesOne(&board), board.isStopped)
    }
    if wakes { bell.signal() }
    // A handler that is late ends all the same, on this thread.
    if isStopped { run(isWoken: false) }
  }

  private func wakesOne(_ board: inout Board) -> Bool {
    guard board.hasTurn, !board.isWaking, !board.isStopped, board.awake < threadCount else {
      return false
    }
    board.awake += 1
    board.isWaking = true
    return true
  }

  private func line(up lane: HandlerLane, _ board: inout Board) {
    guard !lane.isLinedUp, lane.hasSteps, lane.running < threadsPerLane else { return }
    lane.isLinedUp = true
    board.turns.append(lane)
  }

  /// Runs steps until none may run: what is left then waits for a thread that is running a step of the
  /// same lane.
  private func run(isWoken: Bool) {
    var ended: HandlerLane?
    var isFirst = isWoken
    while true {
      let (next, wakes): ((HandlerLane, UnownedJob)?, Bool) = board.withLock { board in
        if isFirst { board.isWaking = false }
        if let ended {
          ended.running -= 1
          line(up: ended, &board)
        }
        let next = take(&board)
        if next == nil, isWoken { board.awake -= 1 }
        return (next, wakesOne(&board))
      }
      isFirst = false
      if wakes { bell.signal() }
      guard let (lane, job) = next else { return }
      unsafe job.runSynchronously(on: lane.asUnownedTaskExecutor())
      ended = lane
    }
  }

  private func take(_ board: inout Board) -> (HandlerLane, UnownedJob)? {
    guard board.hasTurn else { return nil }
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
