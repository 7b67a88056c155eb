/// Rows for people (aligned, with bars), for programs (CSV), with the same columns.
struct Table {
  var columns: [String]
  var rows: [[String]] = []

  func text() -> String {
    var widths = columns.map(\.count)
    for row in rows {
      for (index, cell) in row.enumerated() where index < widths.count {
        widths[index] = max(widths[index], cell.count)
      }
    }
    func line(_ cells: [String]) -> String {
      zip(cells, widths).map { cell, width in
        cell + String(repeating: " ", count: width - cell.count)
      }.joined(separator: "  ").trimmingTrailingSpaces()
    }
    return ([Terminal.bold(line(columns))] + rows.map(line)).joined(separator: "\n")
  }

  /// RFC 4180. A cell that a spreadsheet would read as a formula is kept as text.
  func csv() -> String {
    func cell(_ text: String) -> String {
      var text = text
      if let first = text.first, "=+-@\t\r".contains(first) { text = "'" + text }
      guard text.contains(where: { "\",\n\r".contains($0) }) else { return text }
      return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
    return ([columns] + rows).map { $0.map(cell).joined(separator: ",") }.joined(separator: "\r\n")
  }

  /// A share as a bar of ten cells with its percentage.
  static func bar(_ part: UInt64, of whole: UInt64) -> String {
    guard whole > 0 else { return "" }
    let tenths = Int((Double(part) / Double(whole) * 10).rounded())
    let percent = Int((Double(part) / Double(whole) * 100).rounded())
    return String(repeating: "█", count: tenths) + String(repeating: "·", count: 10 - tenths)
      + " \(percent) %"
  }
}

extension String {
  fileprivate func trimmingTrailingSpaces() -> String {
    var text = self[...]
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
