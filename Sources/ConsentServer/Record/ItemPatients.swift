import ConsentCore
import ConsentStore

/// Whose the images of a request are, looked up once for each patient named.
struct ItemPatients {
  /// Why an item has no patient.
  struct Refusal: Error {
    var fault: ImageItem.Fault

    init(_ field: String, _ sentence: String) {
      fault = ImageItem.Fault(field: field, sentence: sentence)
    }
  }

  private let common: PatientName?
  private var found: [PatientName: Result<PatientID, Refusal>] = [:]
  private var identities: [PatientID: PatientIdentity] = [:]
  /// Holders of a Patient ID under one of the patient's own systems.
  private var holders: [Identifier: [PatientID]] = [:]

  /// Every patient that was found.
  var all: [PatientID] { Array(Set(found.values.compactMap { try? $0.get() })).sorted() }

  /// - Throws: if the request's own patient is not registered: then no item can be.
  init(_ items: [ImageItem], patient: PatientName?, in reader: any FactReader) throws {
    common = patient
    if let patient {
      let id = try patient.one(in: reader)
      guard let identity = try reader.identity(of: id) else {
        throw ServiceError.notFound(kind: "patient", name: "")
      }
      found[patient] = .success(id)
      identities[id] = identity
    }
    for item in items {
      if let name = name(of: item) { try lookUp(name, for: item, in: reader) }
    }
    for item in items { try lookUpStatedID(item, in: reader) }
  }

  private func name(of item: ImageItem) -> PatientName? {
    item.patient ?? common ?? item.statedPatient.map(PatientName.identifier)
  }

  private mutating func lookUp(
    _ name: PatientName, for item: ImageItem, in reader: any FactReader
  ) throws {
    guard found[name] == nil else { return }
    let field = item.patient == nil ? "dicom_json (0010,0020)" : "patient"
    let patients = try name.resolved(in: reader)
    guard let id = patients.first, let identity = try reader.identity(of: id) else {
      found[name] = .failure(Refusal(field, "is no patient here; register the patient first"))
      return
    }
    guard patients.count == 1 else {
      found[name] = .failure(
        Refusal(field, "is the identifier of several patients; name the patient by its id"))
      return
    }
    found[name] = .success(id)
    identities[id] = identity
  }

  private mutating func lookUpStatedID(_ item: ImageItem, in reader: any FactReader) throws {
    guard let stated = item.statedID, item.statedIssuer == nil, let name = name(of: item),
      case .success(let id)? = found[name]
    else { return }
    for system in Set(identities[id]?.identifiers.map(\.system) ?? []) {
      let identifier = Identifier(system: system, value: stated)
      if holders[identifier] == nil {
        holders[identifier] = try reader.patients(identifiedBy: identifier)
      }
    }
  }

  func patient(of item: ImageItem) -> Result<PatientID, Refusal> {
    guard let name = name(of: item) else {
      return .failure(
        Refusal("patient", "is required: in the item, in the request, or in the dataset"))
    }
    guard let result = found[name] else {
      return .failure(Refusal("patient", "is no patient here; register the patient first"))
    }
    guard case .success(let id) = result, !agrees(item, with: id) else { return result }
    return .failure(
      Refusal("dicom_json (0010,0020)", "is another patient's; check whose image it is"))
  }

  /// Whether the dataset may be this patient's.
  ///
  /// With an issuer its Patient ID must be one of the patient's identifiers. Without one it tells
  /// nothing of a system of numbers: it is refused only if under one of the patient's own systems
  /// it is somebody else's number, the slip that happens at a desk.
  private func agrees(_ item: ImageItem, with patient: PatientID) -> Bool {
    if let stated = item.statedPatient {
      return identities[patient]?.identifiers.contains(stated) ?? false
    }
    guard let stated = item.statedID, let identity = identities[patient] else { return true }
    if identity.identifiers.contains(where: { $0.value == stated }) { return true }
    return identity.identifiers.allSatisfy {
      holders[Identifier(system: $0.system, value: stated)]?.isEmpty ?? true
    }
  }
}
