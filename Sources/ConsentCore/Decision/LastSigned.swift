/// Of several failing or valid grants the one signed last speaks; ties: the lowest id.
extension [Cover] {
  var lastSigned: [Cover] { ordered(self) { $0.line } }
}

extension [NearMiss] {
  var lastSigned: [NearMiss] { ordered(self) { $0.line } }
}

/// "Same day is equal" is no total order once some papers state an instant, so this does not sort:
/// it takes, again and again, the lowest id of those than which none is later. The result is the
/// same for every order of the input.
private func ordered<Element>(_ elements: [Element], line: (Element) -> Line) -> [Element] {
  guard elements.count > 1 else { return elements }
  var waiting = elements.sorted { line($0).grant.id < line($1).grant.id }
  var result: [Element] = []
  while result.count < maximumFailingRecords, let day = waiting.map({ line($0).signed.day }).max() {
    let latest =
      waiting
      .filter { line($0).signed.day == day }
      .compactMap { line($0).signed.instant }
      .max()
    let index = waiting.firstIndex { element in
      let signed = line(element).signed
      return signed.day == day && (signed.instant == nil || signed.instant == latest)
    }
    guard let index else { break }
    result.append(waiting.remove(at: index))
  }
  return result
}

/// How many failing grants a DENY lists at most.
let maximumFailingRecords = 16
