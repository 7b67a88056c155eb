import ConsentCore
import Foundation
import Testing

@Suite struct NoteTests {
  private func withoutNote<R: Codable>(_ record: R) throws -> R {
    let full = try JSONSerialization.jsonObject(with: JSONEncoder().encode(record))
    var object = try #require(full as? [String: Any])
    object["note"] = nil
    return try JSONDecoder().decode(R.self, from: JSONSerialization.data(withJSONObject: object))
  }

  private func again<R: Codable>(_ record: R) throws -> R {
    try JSONDecoder().decode(R.self, from: JSONEncoder().encode(record))
  }

  @Test func aRecordStoredWithoutANoteIsReadAndOneWithANoteKeepsIt() throws {
    let facts = try World("patient P1; patient P2; image I1 of=P1; merge M1 P1 P2").facts
    var image = facts.images[0]
    var merge = facts.merges[0]
    var unmerge = PatientUnmerge(id: try id("U1"), merge: merge.id, assignments: [])
    #expect(try withoutNote(image) == image && image.note == nil)
    #expect(try withoutNote(merge) == merge && merge.note == nil)
    #expect(try withoutNote(unmerge) == unmerge && unmerge.note == nil)
    image.note = "film of the other patient"
    merge.note = "same person"
    unmerge.note = "two persons"
    #expect(try again(image) == image && again(merge) == merge && again(unmerge) == unmerge)
    #expect(try withoutNote(image) == facts.images[0])
  }
}
