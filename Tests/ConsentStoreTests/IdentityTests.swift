import ConsentCore
import ConsentStore
import Testing

@Suite(.fewAtOnce) struct IdentityTests {
  @Test(arguments: Backend.allCases)
  func aPatientIsFoundByIdentifierAndByNameHoweverWritten(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    let number = Identifier(system: "urn:mrn", value: "12-34")
    let born = try #require(LocalDay(year: 2008, month: 2, day: 29))
    let identity = PatientIdentity(
      displayName: "Zoë de la Cruz", birthDate: born, identifiers: [number])
    try await bench.write { writer in
      try writer.append(Build.patient(patient))
      try writer.put(identity: identity, of: patient, record: random())
      return []
    }
    #expect(try await bench.read { try $0.identity(of: patient) } == identity)
    #expect(try await bench.read { try $0.identity(of: random()) } == nil)
    let found = try await bench.read { reader in
      [
        try reader.patients(identifiedBy: number),
        try reader.patients(name: "CRUZ^ZOE DE LA", birthDate: nil),
        try reader.patients(name: "zoe  de la cruz", birthDate: born),
      ]
    }
    #expect(found.allSatisfy { $0 == [patient] })
    let missed = try await bench.read { reader in
      [
        try reader.patients(identifiedBy: Identifier(system: "urn:other", value: "12-34")),
        try reader.patients(name: "Zoe Cruz", birthDate: nil),
        try reader.patients(name: "Zoë de la Cruz", birthDate: LocalDay(daysSince1970: 1)),
      ]
    }
    #expect(missed == [[], [], []])
  }

  @Test(arguments: Backend.allCases)
  func anOldNameFindsNobodyAfterACorrection(backend: Backend) async throws {
    let bench = try await backend.open()
    let patient: PatientID = random()
    for name in ["Ann Old", "Ann New"] {
      try await bench.write { writer in
        try writer.put(
          identity: PatientIdentity(displayName: name, birthDate: nil, identifiers: []),
          of: patient, record: random())
        return []
      }
    }
    #expect(try await bench.read { try $0.patients(name: "Ann Old", birthDate: nil) }.isEmpty)
    #expect(try await bench.read { try $0.patients(name: "new ANN", birthDate: nil) } == [patient])
    let current = try await bench.read { try $0.identity(of: patient) }
    #expect(current?.displayName == "Ann New")
  }
}
