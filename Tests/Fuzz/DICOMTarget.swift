import ConsentCore
import Foundation

// These stand in for the service's own, which bring the whole server with them.

extension PatientID {
  static var nobody: ID { ID(high: 0, low: 0) }
}

struct ServiceError: Error {
  static func invalidArgument(_ fields: [InvalidField], reason: String) -> Self { Self() }
  static func invalid(_ field: String, _ description: String) -> Self { Self() }
}

/// The DICOM JSON reader: no text traps it, what it returns is well formed, and what it does not
/// read does not change it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDICOM(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let json = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  nesting(json)
  dates(json)
  guard let image = read(json) else { return 0 }
  expect(isDICOMUID(image.record.studyUID ?? ""), "a study is a UID")
  expect(image.record.seriesUID.map(isDICOMUID) ?? true, "a series is a UID or absent")
  expect(image.record.sopClassUID.map(isDICOMUID) ?? true, "a class is a UID or absent")
  guard let end = json.lastIndex(of: "}") else { return 0 }
  expect(json.contains("00080018"), "an image names its instance")
  // A private attribute more changes nothing of what is read.
  let more = json[..<end] + #","00990099":{"vr":"LO","Value":["x"]}"# + json[end...]
  guard let same = read(String(more)) else { return 0 }
  expect(summary(same) == summary(image), "what is not read does not matter")
  return 0
}

private let calendar = LocalCalendar(timeZone: "Europe/Berlin")

private func read(_ json: String) -> DICOMImage? {
  guard let calendar else { fatalError("the zone is not known here: install tzdata") }
  return try? DICOMImage(json: json, recordID: RecordID(high: 0, low: 1), calendar: calendar)
}

private func summary(_ image: DICOMImage) -> String { "\(image)" }

private func nesting(_ json: String) {
  guard (try? JSONSerialization.jsonObject(with: Data(json.utf8))) != nil else { return }
  // A key given twice hides what it first held, so the bytes may be deeper than what was parsed.
  let deep = depth(try? JSONSerialization.jsonObject(with: Data(json.utf8)))
  if deep > 0 {
    expect(JSONNesting.isDeeper(than: deep - 1, in: json.utf8), "depth is not understated")
  }
}

private func depth(_ value: Any?) -> Int {
  if let object = value as? [String: Any] { return 1 + (object.values.map(depth).max() ?? 0) }
  if let array = value as? [Any] { return 1 + (array.map(depth).max() ?? 0) }
  return 0
}

private func dates(_ text: String) {
  if let time = DICOMDateTime.time(text) {
    expect((0..<86_400_000_000).contains(time), "a time lies in a day")
  }
  if let offset = DICOMDateTime.offset(text) {
    expect(abs(offset) <= 14 * 3_600_000_000, "an offset is at most 14 hours")
  }
  if let day = DICOMDateTime.day(text) {
    expect(text.utf8.count == 8 && day.civil.year > 0, "a day has eight digits")
  }
  _ = DICOMDateTime.dateTime(text)
}
