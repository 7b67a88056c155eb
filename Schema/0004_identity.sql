-- What: demographics, sealed, and the hashes they are found by.
-- Why: a copy of the database alone tells nobody's name. Data keys are wrapped by a master key that
--   is not in the database; a rotation adds rows and takes none away.
-- Locks: only tables made here.

SET LOCAL ROLE consentd_owner;

CREATE TABLE consentd.data_key (
  organization_id uuid NOT NULL,
  -- 1 seals identities, 2 hashes look-up terms.
  purpose smallint NOT NULL,
  version integer NOT NULL,
  wrapped bytea NOT NULL,
  created timestamptz NOT NULL,
  CONSTRAINT data_key_pkey PRIMARY KEY (organization_id, purpose, version),
  CONSTRAINT data_key_organization_fkey FOREIGN KEY (organization_id)
    REFERENCES consentd.organization (organization_id)
);

CREATE TABLE consentd.patient_identity (
  organization_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  version integer NOT NULL,
  record_id uuid NOT NULL,
  key_version integer NOT NULL,
  sealed bytea NOT NULL,
  recorded timestamptz NOT NULL,
  CONSTRAINT patient_identity_pkey PRIMARY KEY (organization_id, patient_id, version)
);

CREATE TABLE consentd.patient_lookup (
  organization_id uuid NOT NULL,
  hash bytea NOT NULL,
  patient_id uuid NOT NULL,
  version integer NOT NULL,
  CONSTRAINT patient_lookup_pkey PRIMARY KEY (organization_id, hash, patient_id, version)
);

RESET ROLE;
