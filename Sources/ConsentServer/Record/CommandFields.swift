import ConsentCore

/// The fields of requests by the names that commands of the core give them.
enum CommandFields {
  /// Longer names first where one is the beginning of another.
  private static let names: [(command: String, request: String)] = [
    ("patient.version", "expected_version"),
    ("patient.id", "patient"),
    ("merge.survivor", "surviving_patient_id"),
    ("merge.merged", "merged_patient_id"),
    ("unmerge.assignments", "assignments"),
    ("form.reference", "form"),
    ("instrument.signer.authority_until", "instrument.signer.authority_through"),
    ("instrument.signed", "instrument.signed"),
    ("instrument.received", "instrument.received_at"),
    ("instrument.document_sha256", "instrument.document_ids"),
    ("instrument.patient", "patient_id"),
    ("instrument.grants", "instrument.parts"),
    ("revocation.signer.authority_until", "signer.authority_through"),
    ("revocation.signer", "signer"),
    ("revocation.signed", "signed"),
    ("revocation.received", "received_at"),
    ("revocation.grants", "grants.grant_ids"),
    ("restriction_end.instrument", "instrument_id"),
    ("entered_in_error.note", "note"),
    ("false_information.note", "note"),
    ("authority_evidence.instrument", "instrument_id"),
    ("authority_evidence.verified_by", "verified_by"),
    ("expiry_event.definition", "name"),
    ("expiry_event.patient", "patient"),
    ("resolution.occurred", "occurred"),
    ("determination.by", "determination.determined_by"),
    ("determination.until", "determination.valid_through"),
    ("policy.version", "expected_version"),
    ("policy.effective", "effective_from"),
    ("policy.majority_age", "switches.majority_age_years"),
    ("policy.expiring_soon_days", "switches.expiring_soon"),
    ("policy.personal_email_requests", "switches.personal_email_patient_ids"),
    ("policy.", "switches."),
  ]

  private static let imageNames: [String: String] = [
    "image.study_uid": "study_instance_uid",
    "image.series_uid": "series_instance_uid",
    "image.sop_class_uid": "sop_class_uid",
    "image.acquired": "acquired_on",
    "image.key": "key",
    "image.patient": "patient",
  ]

  static func requestField(_ field: String) -> String {
    for (command, request) in names where field.hasPrefix(command) {
      return request + field.dropFirst(command.count)
    }
    return field
  }

  /// The field of one image, as in `ImageFields`.
  static func imageField(_ field: String) -> String {
    if let name = imageNames[field] { return name }
    return field.hasPrefix("image.") ? String(field.dropFirst("image.".count)) : field
  }

  /// Runs a command; a refusal names the fields of the request.
  ///
  /// - Parameter rename: `requestField` for most requests.
  static func named<Value>(
    _ rename: (String) -> String = requestField, _ command: () throws -> Value
  ) throws -> Value {
    do {
      return try command()
    } catch let refusal as CommandRefusal {
      guard case .invalid(let violations) = refusal else { throw refusal }
      throw ServiceError.invalidArgument(
        violations.map { InvalidField(field: rename($0.field), description: $0.description) },
        reason: "INVALID_FIELD")
    }
  }
}
