-- What: disclosures recorded by hand, and use reports by image.
-- Why: the accounting of one patient's disclosures (45 CFR 164.528) names both. No decision sees
--   them, so that they are in no feed, as use reports are not.
-- Locks: use_report, against writing, while its index is made.

SET LOCAL ROLE consentd_owner;

CREATE TABLE consentd.disclosure (
  organization_id uuid NOT NULL,
  disclosure_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  -- Where the day alone is known: when it began.
  disclosed timestamptz NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT disclosure_pkey PRIMARY KEY (organization_id, disclosure_id)
);
CREATE INDEX disclosure_patient_idx
  ON consentd.disclosure (organization_id, patient_id, disclosed);

CREATE INDEX use_report_image_idx ON consentd.use_report (organization_id, image_key);

DO $$
DECLARE
  allowed CONSTANT text := 'organization_id = ANY ((SELECT NULLIF(current_setting('
    || '''consentd.organizations'', true), '''')::uuid[])::uuid[])';
BEGIN
  ALTER TABLE consentd.disclosure ENABLE ROW LEVEL SECURITY;
  ALTER TABLE consentd.disclosure FORCE ROW LEVEL SECURITY;
  EXECUTE format(
    'CREATE POLICY disclosure_read ON consentd.disclosure FOR SELECT USING (%s)', allowed);
  EXECUTE format(
    'CREATE POLICY disclosure_add ON consentd.disclosure FOR INSERT WITH CHECK (%s)', allowed);
  GRANT SELECT, INSERT ON consentd.disclosure TO consentd_server;
END
$$;

RESET ROLE;
