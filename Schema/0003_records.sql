-- What: one table for each kind of record.
-- Why: keys, clocks and positions are columns; the whole of a paper is in `body` beside them (the
--   record as JSON, without its stamp) and is compared with them when read. Patients, images and
--   grants have no body: their rows alone fill an index.
--   image_version carries no foreign key: imports of millions of rows would pay for each.
-- Locks: only tables made here.

SET LOCAL ROLE consentd_owner;

CREATE TABLE consentd.patient_version (
  organization_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  version integer NOT NULL,
  record_id uuid NOT NULL,
  majority timestamptz,
  -- The local day that begins at `majority`.
  majority_day date,
  time_zone_data_version text NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  CONSTRAINT patient_version_pkey PRIMARY KEY (organization_id, patient_id, version),
  CONSTRAINT patient_version_record_key UNIQUE (organization_id, record_id)
);

CREATE TABLE consentd.patient_merge (
  organization_id uuid NOT NULL,
  merge_id uuid NOT NULL,
  survivor_id uuid NOT NULL,
  merged_id uuid NOT NULL,
  note text,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  CONSTRAINT patient_merge_pkey PRIMARY KEY (organization_id, merge_id)
);
CREATE INDEX patient_merge_survivor_idx ON consentd.patient_merge (organization_id, survivor_id);
CREATE INDEX patient_merge_merged_idx ON consentd.patient_merge (organization_id, merged_id);

CREATE TABLE consentd.patient_unmerge (
  organization_id uuid NOT NULL,
  unmerge_id uuid NOT NULL,
  merge_id uuid NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT patient_unmerge_pkey PRIMARY KEY (organization_id, unmerge_id),
  CONSTRAINT patient_unmerge_merge_fkey FOREIGN KEY (organization_id, merge_id)
    REFERENCES consentd.patient_merge (organization_id, merge_id)
);
CREATE INDEX patient_unmerge_merge_idx ON consentd.patient_unmerge (organization_id, merge_id);

CREATE TABLE consentd.image_version (
  organization_id uuid NOT NULL,
  image_key text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  record_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  kind smallint NOT NULL,
  study_uid text COLLATE "C",
  series_uid text COLLATE "C",
  sop_class_uid text COLLATE "C",
  modality text,
  body_part text,
  laterality text,
  acquired_day date,
  acquired timestamptz,
  accession_system text,
  accession_value text,
  encounter text,
  department text,
  site text,
  fhir_reference text,
  note text,
  identity_removed smallint NOT NULL,
  burned_in_annotation smallint NOT NULL,
  recognizable_visual_features smallint NOT NULL,
  part2_system text,
  part2_value text,
  source_count integer NOT NULL,
  first_recorded timestamptz NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  CONSTRAINT image_version_pkey PRIMARY KEY (organization_id, image_key, version),
  CONSTRAINT image_version_record_key UNIQUE (organization_id, record_id)
);
CREATE INDEX image_version_patient_idx ON consentd.image_version (organization_id, patient_id);
CREATE INDEX image_version_study_idx ON consentd.image_version (organization_id, study_uid)
  WHERE study_uid IS NOT NULL;
CREATE INDEX image_version_series_idx ON consentd.image_version (organization_id, series_uid)
  WHERE series_uid IS NOT NULL;
CREATE INDEX image_version_part2_idx ON consentd.image_version (organization_id, position)
  WHERE part2_value IS NOT NULL;

CREATE TABLE consentd.image_source (
  organization_id uuid NOT NULL,
  image_key text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  ordinal integer NOT NULL,
  source_key text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  CONSTRAINT image_source_pkey PRIMARY KEY (organization_id, image_key, version, ordinal),
  CONSTRAINT image_source_image_fkey FOREIGN KEY (organization_id, image_key, version)
    REFERENCES consentd.image_version (organization_id, image_key, version)
);
-- Which derivatives were made from an image.
CREATE INDEX image_source_source_idx ON consentd.image_source (organization_id, source_key);

CREATE TABLE consentd.form (
  organization_id uuid NOT NULL,
  record_id uuid NOT NULL,
  form_id text NOT NULL,
  form_version text NOT NULL,
  kind smallint NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT form_pkey PRIMARY KEY (organization_id, record_id),
  CONSTRAINT form_reference_key UNIQUE (organization_id, form_id, form_version)
);

CREATE TABLE consentd.instrument (
  organization_id uuid NOT NULL,
  instrument_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  kind smallint NOT NULL,
  -- The uses of all its grants, for the case that its body cannot be read.
  uses integer NOT NULL,
  grant_count integer NOT NULL,
  signed_day date,
  signed_at timestamptz,
  received_day date NOT NULL,
  received timestamptz NOT NULL,
  document_sha256 text,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT instrument_pkey PRIMARY KEY (organization_id, instrument_id)
);
CREATE INDEX instrument_patient_idx ON consentd.instrument (organization_id, patient_id);
CREATE INDEX instrument_document_idx ON consentd.instrument (organization_id, document_sha256)
  WHERE document_sha256 IS NOT NULL;

CREATE TABLE consentd.consent_grant (
  organization_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  instrument_id uuid NOT NULL,
  line integer NOT NULL,
  patient_id uuid NOT NULL,
  part smallint NOT NULL,
  effect smallint NOT NULL,
  -- 1 patient, 2 study, 3 series, 4 image; the UID or image key of the last three.
  scope_kind smallint NOT NULL,
  scope_key text COLLATE "C",
  present_only boolean NOT NULL,
  uses integer NOT NULL,
  audiences integer NOT NULL,
  channels integer,
  recipients jsonb NOT NULL,
  disclosers jsonb NOT NULL,
  effective_from timestamptz NOT NULL,
  -- 0 none, 1 date, 2 majority, 3 event.
  expiry_kind smallint NOT NULL,
  expiry_day date,
  effective_until timestamptz,
  expiry_event_id uuid,
  -- A permit on this image only, which does not flow down to what was made from it.
  without_derivatives boolean NOT NULL,
  obligations jsonb NOT NULL,
  signed_day date,
  signed_at timestamptz,
  received timestamptz NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  CONSTRAINT consent_grant_pkey PRIMARY KEY (organization_id, grant_id),
  CONSTRAINT consent_grant_line_key UNIQUE (organization_id, instrument_id, line),
  CONSTRAINT consent_grant_instrument_fkey FOREIGN KEY (organization_id, instrument_id)
    REFERENCES consentd.instrument (organization_id, instrument_id)
);
CREATE INDEX consent_grant_patient_idx ON consentd.consent_grant (organization_id, patient_id);
CREATE INDEX consent_grant_event_idx ON consentd.consent_grant (organization_id, expiry_event_id)
  WHERE expiry_event_id IS NOT NULL;

-- INVARIANT: every grant version ends by exactly one event.
CREATE TABLE consentd.grant_end (
  organization_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  version integer NOT NULL,
  kind smallint NOT NULL,
  ended timestamptz NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  CONSTRAINT grant_end_pkey PRIMARY KEY (organization_id, grant_id, version),
  CONSTRAINT grant_end_grant_fkey FOREIGN KEY (organization_id, grant_id)
    REFERENCES consentd.consent_grant (organization_id, grant_id)
);

CREATE TABLE consentd.revocation (
  organization_id uuid NOT NULL,
  revocation_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  method smallint NOT NULL,
  signed_day date NOT NULL,
  signed_at timestamptz,
  received timestamptz NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT revocation_pkey PRIMARY KEY (organization_id, revocation_id)
);
CREATE INDEX revocation_patient_idx ON consentd.revocation (organization_id, patient_id);

CREATE TABLE consentd.revocation_grant (
  organization_id uuid NOT NULL,
  revocation_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  CONSTRAINT revocation_grant_pkey PRIMARY KEY (organization_id, revocation_id, grant_id),
  CONSTRAINT revocation_grant_revocation_fkey FOREIGN KEY (organization_id, revocation_id)
    REFERENCES consentd.revocation (organization_id, revocation_id),
  CONSTRAINT revocation_grant_grant_fkey FOREIGN KEY (organization_id, grant_id)
    REFERENCES consentd.consent_grant (organization_id, grant_id)
);
CREATE INDEX revocation_grant_grant_idx ON consentd.revocation_grant (organization_id, grant_id);

-- About a patient, two merged patients, an image, or (all three NULL) the organization.
CREATE TABLE consentd.entered_in_error (
  organization_id uuid NOT NULL,
  entry_id uuid NOT NULL,
  target_kind smallint NOT NULL,
  target_id uuid NOT NULL,
  patient_id uuid,
  other_patient_id uuid,
  image_key text COLLATE "C",
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT entered_in_error_pkey PRIMARY KEY (organization_id, entry_id)
);
CREATE INDEX entered_in_error_patient_idx
  ON consentd.entered_in_error (organization_id, patient_id);
CREATE INDEX entered_in_error_other_patient_idx
  ON consentd.entered_in_error (organization_id, other_patient_id)
  WHERE other_patient_id IS NOT NULL;
CREATE INDEX entered_in_error_image_idx
  ON consentd.entered_in_error (organization_id, image_key) WHERE image_key IS NOT NULL;
CREATE INDEX entered_in_error_target_idx
  ON consentd.entered_in_error (organization_id, target_id);

CREATE TABLE consentd.false_information (
  organization_id uuid NOT NULL,
  report_id uuid NOT NULL,
  instrument_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT false_information_pkey PRIMARY KEY (organization_id, report_id),
  CONSTRAINT false_information_instrument_fkey FOREIGN KEY (organization_id, instrument_id)
    REFERENCES consentd.instrument (organization_id, instrument_id)
);
CREATE INDEX false_information_patient_idx
  ON consentd.false_information (organization_id, patient_id);

CREATE TABLE consentd.authority_evidence (
  organization_id uuid NOT NULL,
  evidence_id uuid NOT NULL,
  instrument_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  finding smallint NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT authority_evidence_pkey PRIMARY KEY (organization_id, evidence_id),
  CONSTRAINT authority_evidence_instrument_fkey FOREIGN KEY (organization_id, instrument_id)
    REFERENCES consentd.instrument (organization_id, instrument_id)
);
CREATE INDEX authority_evidence_patient_idx
  ON consentd.authority_evidence (organization_id, patient_id);

CREATE TABLE consentd.restriction_end (
  organization_id uuid NOT NULL,
  end_id uuid NOT NULL,
  instrument_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT restriction_end_pkey PRIMARY KEY (organization_id, end_id),
  CONSTRAINT restriction_end_instrument_fkey FOREIGN KEY (organization_id, instrument_id)
    REFERENCES consentd.instrument (organization_id, instrument_id)
);
CREATE INDEX restriction_end_patient_idx ON consentd.restriction_end (organization_id, patient_id);

CREATE TABLE consentd.expiry_event (
  organization_id uuid NOT NULL,
  event_id uuid NOT NULL,
  -- NULL: concerns the whole organization.
  patient_id uuid,
  expected_by timestamptz,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT expiry_event_pkey PRIMARY KEY (organization_id, event_id)
);
CREATE INDEX expiry_event_patient_idx ON consentd.expiry_event (organization_id, patient_id);

CREATE TABLE consentd.expiry_event_resolution (
  organization_id uuid NOT NULL,
  resolution_id uuid NOT NULL,
  event_id uuid NOT NULL,
  occurred timestamptz NOT NULL,
  -- The later of occurred and recorded.
  counts timestamptz NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT expiry_event_resolution_pkey PRIMARY KEY (organization_id, resolution_id),
  CONSTRAINT expiry_event_resolution_event_fkey FOREIGN KEY (organization_id, event_id)
    REFERENCES consentd.expiry_event (organization_id, event_id)
);
CREATE INDEX expiry_event_resolution_event_idx
  ON consentd.expiry_event_resolution (organization_id, event_id);

CREATE TABLE consentd.determination (
  organization_id uuid NOT NULL,
  determination_id uuid NOT NULL,
  image_key text COLLATE "C" NOT NULL,
  method smallint NOT NULL,
  determined timestamptz NOT NULL,
  effective_until timestamptz,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT determination_pkey PRIMARY KEY (organization_id, determination_id)
);
CREATE INDEX determination_image_idx ON consentd.determination (organization_id, image_key);

CREATE TABLE consentd.determination_withdrawal (
  organization_id uuid NOT NULL,
  withdrawal_id uuid NOT NULL,
  determination_id uuid NOT NULL,
  image_key text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT determination_withdrawal_pkey PRIMARY KEY (organization_id, withdrawal_id),
  CONSTRAINT determination_withdrawal_determination_fkey
    FOREIGN KEY (organization_id, determination_id)
    REFERENCES consentd.determination (organization_id, determination_id)
);
CREATE INDEX determination_withdrawal_image_idx
  ON consentd.determination_withdrawal (organization_id, image_key);

CREATE TABLE consentd.policy (
  organization_id uuid NOT NULL,
  version integer NOT NULL,
  record_id uuid NOT NULL,
  effective timestamptz NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT policy_pkey PRIMARY KEY (organization_id, version),
  CONSTRAINT policy_record_key UNIQUE (organization_id, record_id)
);

RESET ROLE;
