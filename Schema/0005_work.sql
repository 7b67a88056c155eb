-- What: replies to idempotent writes, and what becomes due by the clock.
-- Why: a reply is found under the organization's lock, so a retry cannot act twice. due_work is a
--   queue derived from the records; alone of all tables, rows leave it.
-- Locks: only tables made here.

SET LOCAL ROLE consentd_owner;

CREATE TABLE consentd.idempotency (
  organization_id uuid NOT NULL,
  -- 1 a caller's key, 2 the store's own, by which it finds the outcome of a lost commit.
  origin smallint NOT NULL,
  caller text NOT NULL,
  key text NOT NULL,
  content_sha256 bytea NOT NULL,
  reply bytea NOT NULL,
  position bigint NOT NULL,
  recorded timestamptz NOT NULL,
  CONSTRAINT idempotency_pkey PRIMARY KEY (organization_id, origin, caller, key)
);

-- A reply given again leaves only after a transaction that wrote: this is what it writes.
CREATE TABLE consentd.idempotency_replay (
  organization_id uuid NOT NULL,
  replay_id uuid NOT NULL,
  origin smallint NOT NULL,
  position bigint NOT NULL,
  replayed timestamptz NOT NULL,
  CONSTRAINT idempotency_replay_pkey PRIMARY KEY (organization_id, replay_id)
);

CREATE TABLE consentd.due_work (
  organization_id uuid NOT NULL,
  -- 1 date, 2 majority, 3 named event resolved, 4 named event overdue, 5 activation.
  kind smallint NOT NULL,
  -- The grant; of kind 4 the named event.
  subject_id uuid NOT NULL,
  -- Of kind 3 the resolution, otherwise the subject again.
  cause_id uuid NOT NULL,
  due timestamptz NOT NULL,
  patient_id uuid,
  instrument_id uuid,
  CONSTRAINT due_work_pkey PRIMARY KEY (organization_id, kind, subject_id, cause_id)
);
CREATE INDEX due_work_due_idx ON consentd.due_work (organization_id, due);
CREATE INDEX due_work_patient_idx ON consentd.due_work (organization_id, patient_id)
  WHERE kind = 2;

-- What stands as entered in error; an entry that was itself entered in error does not count.
CREATE VIEW consentd.standing_error WITH (security_invoker = true) AS
SELECT e.organization_id, e.target_kind, e.target_id
FROM consentd.entered_in_error e
WHERE NOT EXISTS (
  SELECT FROM consentd.entered_in_error undone
  WHERE undone.organization_id = e.organization_id AND undone.target_id = e.entry_id
    AND undone.target_kind = 8);

-- Grants whose current version has not ended.
CREATE VIEW consentd.live_grant WITH (security_invoker = true) AS
SELECT g.*
FROM consentd.consent_grant g
WHERE NOT EXISTS (
  SELECT FROM consentd.grant_end e
  WHERE e.organization_id = g.organization_id AND e.grant_id = g.grant_id
    AND e.version > (
      SELECT count(*) FROM consentd.grant_event r
      WHERE r.organization_id = g.organization_id AND r.grant_id = g.grant_id AND r.kind = 6));

-- Candidates for the expiry scheduler, by patient.
CREATE VIEW consentd.due_candidate WITH (security_invoker = true) AS
SELECT d.organization_id, d.due, d.patient_id
FROM consentd.due_work d
WHERE d.kind <> 4
  AND NOT EXISTS (
    SELECT FROM consentd.standing_error s
    WHERE s.organization_id = d.organization_id AND s.target_kind = 6
      AND s.target_id = d.instrument_id)
  AND NOT EXISTS (
    SELECT FROM consentd.standing_error s
    WHERE d.kind = 3 AND s.organization_id = d.organization_id AND s.target_kind = 13
      AND s.target_id = d.cause_id)
UNION ALL
SELECT d.organization_id, d.due, COALESCE(d.patient_id, g.patient_id)
FROM consentd.due_work d
LEFT JOIN consentd.live_grant g
  ON d.patient_id IS NULL AND g.organization_id = d.organization_id
  AND g.expiry_event_id = d.subject_id
  AND NOT EXISTS (
    SELECT FROM consentd.standing_error s
    WHERE s.organization_id = g.organization_id AND s.target_kind = 6
      AND s.target_id = g.instrument_id)
WHERE d.kind = 4
  AND COALESCE(d.patient_id, g.patient_id) IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM consentd.standing_error s
    WHERE s.organization_id = d.organization_id AND s.target_kind = 12
      AND s.target_id = d.subject_id)
  AND NOT EXISTS (
    SELECT FROM consentd.expiry_event_resolution r
    WHERE r.organization_id = d.organization_id AND r.event_id = d.subject_id
      AND NOT EXISTS (
        SELECT FROM consentd.standing_error s
        WHERE s.organization_id = r.organization_id AND s.target_kind = 13
          AND s.target_id = r.resolution_id));

RESET ROLE;
