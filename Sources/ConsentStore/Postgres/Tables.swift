/// The tables as they are written to; names and types as in `Schema/`.
extension Table {
  static let feed = Table(
    "feed",
    [
      "position": "bigint", "chain": "bytea", "known": "timestamptz", "fact_position": "bigint",
      "event_id": "uuid", "kind": "smallint", "recorded_by": "text", "event": "jsonb",
    ])
  static let feedEvent = Table("feed_event", ["event_id": "uuid", "position": "bigint"])
  static let grantEvent = Table(
    "grant_event", ["grant_id": "uuid", "kind": "smallint", "position": "bigint"])
  static let grantEnd = Table(
    "grant_end",
    [
      "grant_id": "uuid", "version": "integer", "kind": "smallint", "ended": "timestamptz",
      "position": "bigint", "recorded": "timestamptz",
    ])

  static let patient = Table(
    "patient_version",
    [
      "patient_id": "uuid", "version": "integer", "record_id": "uuid", "majority": "timestamptz",
      "majority_day": "date", "time_zone_data_version": "text", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text",
    ])
  static let merge = Table(
    "patient_merge",
    [
      "merge_id": "uuid", "survivor_id": "uuid", "merged_id": "uuid", "note": "text",
      "position": "bigint", "recorded": "timestamptz", "recorded_by": "text",
    ])
  static let unmerge = Table(
    "patient_unmerge",
    [
      "unmerge_id": "uuid", "merge_id": "uuid", "position": "bigint", "recorded": "timestamptz",
      "recorded_by": "text", "body": "jsonb",
    ])
  static let image = Table(
    "image_version",
    [
      "image_key": "text", "version": "integer", "record_id": "uuid", "patient_id": "uuid",
      "kind": "smallint", "study_uid": "text", "series_uid": "text", "sop_class_uid": "text",
      "modality": "text", "body_part": "text", "laterality": "text", "acquired_day": "date",
      "acquired": "timestamptz", "accession_system": "text", "accession_value": "text",
      "encounter": "text", "department": "text", "site": "text", "fhir_reference": "text",
      "note": "text",
      "identity_removed": "smallint", "burned_in_annotation": "smallint",
      "recognizable_visual_features": "smallint", "part2_system": "text", "part2_value": "text",
      "source_count": "integer", "first_recorded": "timestamptz", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text",
    ])
  static let imageSource = Table(
    "image_source",
    [
      "image_key": "text", "version": "integer", "ordinal": "integer", "source_key": "text",
      "position": "bigint",
    ])
  static let form = Table(
    "form",
    [
      "record_id": "uuid", "form_id": "text", "form_version": "text", "kind": "smallint",
      "position": "bigint", "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let instrument = Table(
    "instrument",
    [
      "instrument_id": "uuid", "patient_id": "uuid", "kind": "smallint", "uses": "integer",
      "grant_count": "integer", "signed_day": "date", "signed_at": "timestamptz",
      "received_day": "date", "received": "timestamptz", "document_sha256": "text",
      "position": "bigint", "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let grant = Table(
    "consent_grant",
    [
      "grant_id": "uuid", "instrument_id": "uuid", "line": "integer", "patient_id": "uuid",
      "part": "smallint", "effect": "smallint", "scope_kind": "smallint", "scope_key": "text",
      "present_only": "boolean", "uses": "integer", "audiences": "integer", "channels": "integer",
      "recipients": "jsonb", "disclosers": "jsonb", "effective_from": "timestamptz",
      "expiry_kind": "smallint", "expiry_day": "date", "effective_until": "timestamptz",
      "expiry_event_id": "uuid", "without_derivatives": "boolean", "obligations": "jsonb",
      "signed_day": "date", "signed_at": "timestamptz", "received": "timestamptz",
      "position": "bigint", "recorded": "timestamptz",
    ])
  static let revocation = Table(
    "revocation",
    [
      "revocation_id": "uuid", "patient_id": "uuid", "method": "smallint", "signed_day": "date",
      "signed_at": "timestamptz", "received": "timestamptz", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let revocationGrant = Table(
    "revocation_grant", ["revocation_id": "uuid", "grant_id": "uuid"])
  static let enteredInError = Table(
    "entered_in_error",
    [
      "entry_id": "uuid", "target_kind": "smallint", "target_id": "uuid", "patient_id": "uuid",
      "other_patient_id": "uuid", "image_key": "text", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let falseInformation = Table(
    "false_information",
    [
      "report_id": "uuid", "instrument_id": "uuid", "patient_id": "uuid", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let authorityEvidence = Table(
    "authority_evidence",
    [
      "evidence_id": "uuid", "instrument_id": "uuid", "patient_id": "uuid", "finding": "smallint",
      "position": "bigint", "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let restrictionEnd = Table(
    "restriction_end",
    [
      "end_id": "uuid", "instrument_id": "uuid", "patient_id": "uuid", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let expiryEvent = Table(
    "expiry_event",
    [
      "event_id": "uuid", "patient_id": "uuid", "expected_by": "timestamptz",
      "position": "bigint", "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let expiryEventResolution = Table(
    "expiry_event_resolution",
    [
      "resolution_id": "uuid", "event_id": "uuid", "occurred": "timestamptz",
      "counts": "timestamptz", "position": "bigint", "recorded": "timestamptz",
      "recorded_by": "text", "body": "jsonb",
    ])
  static let determination = Table(
    "determination",
    [
      "determination_id": "uuid", "image_key": "text", "method": "smallint",
      "determined": "timestamptz", "effective_until": "timestamptz", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let determinationWithdrawal = Table(
    "determination_withdrawal",
    [
      "withdrawal_id": "uuid", "determination_id": "uuid", "image_key": "text",
      "position": "bigint", "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])
  static let policy = Table(
    "policy",
    [
      "version": "integer", "record_id": "uuid", "effective": "timestamptz", "position": "bigint",
      "recorded": "timestamptz", "recorded_by": "text", "body": "jsonb",
    ])

  static let patientLookup = Table(
    "patient_lookup", ["hash": "bytea", "patient_id": "uuid", "version": "integer"])
}
