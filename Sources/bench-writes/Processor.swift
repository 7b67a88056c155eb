import Foundation

/// CPU time in seconds: of this process, and of PostgreSQL, which this process started.
enum Processor {
  static func ofThisProcess() -> Double { all()[getpid()]?.used ?? 0 }

  static func ofChildren() -> Double {
    let processes = all()
    func isBelow(_ process: Int32) -> Bool {
      var next = process
      while let parent = processes[next]?.parent, parent > 1 {
        if parent == getpid() { return true }
        next = parent
      }
      return false
    }
    return processes.reduce(0) { sum, entry in
      isBelow(entry.key) ? sum + entry.value.used + entry.value.ofEnded : sum
    }
  }

  private struct Figures {
    var parent: Int32
    var used: Double
    /// Of its children that have ended: backends of lanes that were closed.
    var ofEnded: Double
  }

  private static func all() -> [Int32: Figures] {
    var found: [Int32: Figures] = [:]
    let second = Double(sysconf(Int32(_SC_CLK_TCK)))
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let process = Int32(name),
        let text = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
        let end = text.lastIndex(of: ")")
      else { continue }
      let fields = text[text.index(end, offsetBy: 2)...].split(separator: " ")
      guard fields.count > 14, let parent = Int32(fields[1]) else { continue }
      let ticks = fields[11...14].map { Double($0) ?? 0 }
      found[process] = Figures(
        parent: parent, used: (ticks[0] + ticks[1]) / second,
        ofEnded: (ticks[2] + ticks[3]) / second)
    }
    return found
  }
}
