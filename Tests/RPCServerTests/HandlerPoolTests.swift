import Dispatch
import Synchronization
import Testing

@testable import RPCServer

@Suite struct HandlerPoolTests {
  /// Steps that ran, in order.
  private final class Record: Sendable {
    private let names = Mutex<[String]>([])
    func note(_ name: String) { names.withLock { $0.append(name) } }
    var all: [String] { names.withLock { $0 } }
  }

  /// Holds a thread of the pool until told to let it go.
  private struct Held {
    let task: Task<Void, Never>
    let gate = DispatchSemaphore(value: 0)

    init(_ lane: HandlerLane) async {
      let gate = gate
      let holds = Signal()
      task = Task(executorPreference: lane) {
        holds.give()
        gate.wait()
      }
      await holds.wait()
    }

    func letGo() async {
      gate.signal()
      await task.value
    }
  }

  @Test func oneConnectionLeavesAThreadToTheOthers() async {
    let pool = HandlerPool(cores: 2)
    pool.start()
    let (greedy, other) = (HandlerLane(pool: pool), HandlerLane(pool: pool))
    let held = [await Held(greedy), await Held(greedy)]
    let waiting = (0..<20).map { _ in Task(executorPreference: greedy) {} }
    // Ends only if it needs no thread of those that are held.
    await Task(executorPreference: other) {}.value
    for hold in held { await hold.letGo() }
    for task in waiting { await task.value }
    await pool.stop()
  }

  @Test func connectionsTakeTurns() async {
    let pool = HandlerPool(cores: 1)
    pool.start()
    let (greedy, other) = (HandlerLane(pool: pool), HandlerLane(pool: pool))
    // Both threads are held, so that all that follows is lined up before any of it runs.
    let (one, two) = (await Held(greedy), await Held(HandlerLane(pool: pool)))
    let record = Record()
    var tasks = (0..<40).map { number in
      Task(executorPreference: greedy) { record.note("greedy \(number)") }
    }
    tasks.append(Task(executorPreference: other) { record.note("other") })
    await one.letGo()
    for task in tasks { await task.value }
    await two.letGo()
    let place = record.all.firstIndex(of: "other") ?? .max
    #expect(place <= 1, "its turn comes after one step of the other, not after forty")
    #expect(record.all.filter { $0 != "other" } == (0..<40).map { "greedy \($0)" })
    await pool.stop()
  }

  /// Many lanes, many steps that suspend and come back: each runs to its end.
  @Test func nothingIsLost() async {
    let pool = HandlerPool(cores: 2)
    pool.start()
    let record = Record()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<20 {
        let lane = HandlerLane(pool: pool)
        for _ in 0..<100 {
          group.addTask(executorPreference: lane) {
            for _ in 0..<5 { await Task.yield() }
            record.note("")
          }
        }
      }
    }
    #expect(record.all.count == 2_000)
    await pool.stop()
  }

  @Test func whatComesAfterTheEndRunsAllTheSame() async {
    let pool = HandlerPool(cores: 1)
    pool.start()
    await pool.stop()
    await Task(executorPreference: HandlerLane(pool: pool)) {}.value
  }
}
