/// One process's use of a database. Its logs begin with it and its sessions end with it, so that
/// another node can tell whether the process that wrote a log still has sessions.
struct NodeRun: Sendable {
  let number: UInt64

  init() {
    var generator = SystemRandomNumberGenerator()
    number = generator.next()
  }

  /// 16 hexadecimal digits, as a UUID begins.
  var text: String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
