import Foundation

/// One dataset of the DICOM JSON Model (PS3.18 annex F), read only as far as it is asked.
struct DICOMDataset {
  /// A tag as annex F writes it: eight upper-case hexadecimal digits.
  struct Tag: Hashable {
    let key: String
    /// `(0008,0018)`, as people write it.
    let name: String

    init(_ group: StaticString, _ element: StaticString) {
      key = group.description + element.description
      name = "(" + group.description + "," + element.description + ")"
    }
  }

  /// What is wrong with a text as a whole.
  enum Fault: Error {
    case tooLong
    case tooDeep
    case notAnObject

    var description: String {
      switch self {
      case .tooLong: "is longer than 1 MiB; leave out bulk data and private attributes"
      case .tooDeep: "is nested more than 64 levels deep"
      case .notAnObject: "is not a JSON object of the DICOM JSON Model (PS3.18 annex F)"
      }
    }
  }

  static let longest = 1 << 20
  static let deepest = 64

  private let attributes: [String: Any]

  init(json text: String) throws(Fault) {
    guard text.utf8.count <= DICOMDataset.longest else { throw .tooLong }
    guard !JSONNesting.isDeeper(than: DICOMDataset.deepest, in: text.utf8) else { throw .tooDeep }
    guard let parsed = try? JSONSerialization.jsonObject(with: Data(text.utf8)),
      let attributes = parsed as? [String: Any]
    else { throw .notAnObject }
    self.attributes = attributes
  }

  private init(attributes: [String: Any]) { self.attributes = attributes }

  /// There is a value, readable or not: an unreadable one is not an absent one, an empty text is.
  func has(_ tag: Tag) -> Bool {
    guard let first = values(tag).first else { return false }
    return !(first is String) || text(tag) != nil
  }

  /// The first value as text, without the padding that DICOM allows; `nil` if it is absent, empty
  /// or no text.
  func text(_ tag: Tag) -> String? {
    guard let value = values(tag).first as? String else { return nil }
    let padding: Set<Character> = [" ", "\0"]
    var trimmed = Substring(value)
    while let last = trimmed.last, padding.contains(last) { trimmed.removeLast() }
    while let first = trimmed.first, first == " " { trimmed.removeFirst() }
    return trimmed.isEmpty ? nil : String(trimmed)
  }

  /// The first item of a sequence.
  func item(_ tag: Tag) -> DICOMDataset? {
    (values(tag).first as? [String: Any]).map(DICOMDataset.init(attributes:))
  }

  /// Values that are null stand for an empty one among several (F.2.5).
  private func values(_ tag: Tag) -> [Any] {
    guard let attribute = attributes[tag.key] ?? attributes[tag.key.lowercased()],
      let element = attribute as? [String: Any], let values = element["Value"] as? [Any]
    else { return [] }
    return values.filter { !($0 is NSNull) }
  }
}

extension DICOMDataset.Tag {
  static let sopClassUID = Self("0008", "0016")
  static let sopInstanceUID = Self("0008", "0018")
  static let studyDate = Self("0008", "0020")
  static let seriesDate = Self("0008", "0021")
  static let acquisitionDate = Self("0008", "0022")
  static let contentDate = Self("0008", "0023")
  static let acquisitionDateTime = Self("0008", "002A")
  static let studyTime = Self("0008", "0030")
  static let seriesTime = Self("0008", "0031")
  static let acquisitionTime = Self("0008", "0032")
  static let contentTime = Self("0008", "0033")
  static let accessionNumber = Self("0008", "0050")
  static let issuerOfAccessionNumber = Self("0008", "0051")
  static let modality = Self("0008", "0060")
  static let timezoneOffset = Self("0008", "0201")
  static let patientID = Self("0010", "0020")
  static let issuerOfPatientID = Self("0010", "0021")
  static let patientIdentityRemoved = Self("0012", "0062")
  static let bodyPartExamined = Self("0018", "0015")
  static let studyInstanceUID = Self("0020", "000D")
  static let seriesInstanceUID = Self("0020", "000E")
  static let laterality = Self("0020", "0060")
  static let imageLaterality = Self("0020", "0062")
  static let burnedInAnnotation = Self("0028", "0301")
  static let recognizableVisualFeatures = Self("0028", "0302")
  static let localNamespaceEntityID = Self("0040", "0031")
  static let universalEntityID = Self("0040", "0032")
}
