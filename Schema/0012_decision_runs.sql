-- What: the look-up of logged decisions in sorted runs of packed pages, and the places of records
--   in their batches. They replace decision_lookup; what it held is looked up again.
-- Why: a decision has some five keys, most of them met once in thousands of decisions, and each was
--   a row with an index entry of its own: 320 bytes and 7 us of CPU a decision. A page holds some
--   300 entries of about 9 bytes and costs one row.
-- Locks: decision_lookup and decision_lookup_progress, exclusively, for an instant.

SET LOCAL ROLE consentd_owner;

DROP TABLE consentd.decision_lookup;

-- What one transaction of the job found in the logs, or some of these made into one. Few: small
-- ones are merged by the sixteen.
CREATE TABLE consentd.decision_run (
  organization_id uuid NOT NULL,
  run_id uuid NOT NULL,
  -- How large it is; runs of one level are merged into one of a higher level.
  level smallint NOT NULL,
  decisions bigint NOT NULL,
  -- The earliest and the latest instant of a decision in it.
  decided_from timestamptz NOT NULL,
  decided_until timestamptz NOT NULL,
  CONSTRAINT decision_run_pkey PRIMARY KEY (organization_id, run_id),
  CONSTRAINT decision_run_decisions_check CHECK (decisions > 0 AND level >= 0)
);

-- INVARIANT: a decision is in exactly one run, under each of its keys, if its leaf is below its
-- log's `leaves` in decision_lookup_progress, and in none otherwise. A reader looks there, and
-- through the log's batches from there on.
CREATE TABLE consentd.decision_run_page (
  organization_id uuid NOT NULL,
  run_id uuid NOT NULL,
  -- Of the first entry: 64 bits of what it is found by (`LookupKey`), and its instant. The run's
  -- entries are in this order, so what is found by a key is in the last page that begins below it
  -- and in those that begin with it.
  key bigint NOT NULL,
  decided_from timestamptz NOT NULL,
  number integer NOT NULL,
  -- `LookupPage`.
  entries bytea NOT NULL,
  CONSTRAINT decision_run_page_pkey
    PRIMARY KEY (organization_id, run_id, key, decided_from, number)
);
-- Two pages fill a block. They do not get smaller by compression.
ALTER TABLE consentd.decision_run_page ALTER COLUMN entries SET STORAGE PLAIN;

-- Where the records of a stretch of a log are in their batches. The key refuses to look up a leaf
-- twice.
CREATE TABLE consentd.decision_place (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  first_leaf bigint NOT NULL,
  -- `LookupPlaces`.
  places bytea NOT NULL,
  CONSTRAINT decision_place_pkey PRIMARY KEY (organization_id, log_id, first_leaf)
);
ALTER TABLE consentd.decision_place ALTER COLUMN places SET STORAGE EXTERNAL;

-- Row security binds the owner too, except for this one statement.
ALTER TABLE consentd.decision_lookup_progress NO FORCE ROW LEVEL SECURITY;
UPDATE consentd.decision_lookup_progress SET leaves = 0, frontier = '', is_whole = false;
ALTER TABLE consentd.decision_lookup_progress FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
  allowed CONSTANT text := 'organization_id = ANY ((SELECT NULLIF(current_setting('
    || '''consentd.organizations'', true), '''')::uuid[])::uuid[])';
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['decision_run', 'decision_run_page', 'decision_place'] LOOP
    EXECUTE format('ALTER TABLE consentd.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE consentd.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR SELECT USING (%s)',
      name || '_read', name, allowed);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR INSERT WITH CHECK (%s)',
      name || '_add', name, allowed);
    EXECUTE format('GRANT SELECT, INSERT ON consentd.%I TO consentd_server', name);
  END LOOP;
  -- Only of what is merged: the new run holds what the old ones held.
  FOREACH name IN ARRAY ARRAY['decision_run', 'decision_run_page'] LOOP
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR DELETE USING (%s)',
      name || '_end', name, allowed);
    EXECUTE format('GRANT DELETE ON consentd.%I TO consentd_server', name);
  END LOOP;
  -- A row can be locked, and never updated.
  EXECUTE format('CREATE POLICY decision_run_lock ON consentd.decision_run FOR UPDATE '
    || 'USING (%s) WITH CHECK (false)', allowed);
END
$$;

GRANT UPDATE (level) ON consentd.decision_run TO consentd_server;

RESET ROLE;
