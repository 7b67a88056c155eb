public import ConsentCore

extension PostgresConsentStore {
  public func write(
    _ organization: OrganizationID, by caller: String, key: IdempotencyKey?,
    about patient: PatientID?,
    _ body: @Sendable @escaping (any FactWriter) throws -> [UInt8]
  ) async throws -> WriteReceipt {
    let change = PendingWrite(caller: caller, key: key, about: patient, body: body)
    guard change.canBeStored else { throw InvalidChange("a value cannot be stored") }
    return try await writers[organization].write(change)
  }

  static func randomID<Subject>() -> ID<Subject> {
    var generator = SystemRandomNumberGenerator()
    return ID(high: generator.next(), low: generator.next())
  }
}
