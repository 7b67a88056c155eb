/// How long to wait after repeated failures: doubling from `first`, never more than `most`.
enum Backoff {
  static func delay(failures: Int, first: Int64, most: Int64) -> Int64 {
    var delay = first
    for _ in 1..<max(1, min(failures, 63)) where delay < most {
      let (doubled, overflow) = delay.multipliedReportingOverflow(by: 2)
      delay = overflow ? most : doubled
    }
    return min(delay, most)
  }
}
