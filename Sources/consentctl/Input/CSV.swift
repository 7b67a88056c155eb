/// RFC 4180, with the line each record begins on, so that a mistake can be found.
///
/// Own code because the library at hand loses line numbers, and an import that cannot say where
/// it failed is of no use to the one who has to mend the file.
struct CSV {
  struct Row {
    var line: Int
    var cells: [String]
  }

  struct Malformed: Error {
    var line: Int
    var description: String
  }

  static func parse(_ text: String) throws -> [Row] {
    var rows: [Row] = []
    var row = Row(line: 1, cells: [])
    var cell = ""
    var line = 1
    var quoted = false
    var closed = false
    func ends(_ character: Character) -> Bool { character.isNewline }
    var rest = text[...]
    if rest.first == "\u{FEFF}" { rest.removeFirst() }
    while let character = rest.popFirst() {
      if quoted {
        if character == "\"" {
          if rest.first == "\"" {
            cell.append(rest.removeFirst())
          } else {
            (quoted, closed) = (false, true)
          }
        } else {
          if ends(character) { line += 1 }
          cell.append(character)
        }
      } else if character == "," || ends(character) {
        row.cells.append(cell)
        (cell, closed) = ("", false)
        guard ends(character) else { continue }
        if row.cells != [""] { rows.append(row) }
        line += 1
        row = Row(line: line, cells: [])
      } else if character == "\"" && cell.isEmpty && !closed {
        quoted = true
      } else if closed || character == "\"" {
        throw Malformed(line: line, description: "a quote in the middle of a value")
      } else {
        cell.append(character)
      }
    }
    if quoted { throw Malformed(line: row.line, description: "a quote that never ends") }
    if !cell.isEmpty || !row.cells.isEmpty {
      rows.append(Row(line: row.line, cells: row.cells + [cell]))
    }
    return rows
  }
}
