-- What: look-up of logged decisions by patient, image, actor, reason and grant; the hashes of the
--   complete parts of the logs' trees; and how far each log has been looked up.
-- Why: behind the answer path, so that a check pays for none of it. One row for all decisions of a
--   stretch of a log that concern the same thing within a minute, so that what comes often costs
--   some bytes a decision and not a row. A proof needs a hash of each size instead of every record.
--   Everything here is made from the packed log and can be made again from it: nothing is
--   proven by what stands here.
-- Locks: proof_log, exclusively, while a row is written for each log that it holds.

SET LOCAL ROLE consentd_owner;

-- INVARIANT: a decision is in decision_lookup if and only if its leaf is below its log's `leaves`.
-- A reader looks there, and through the log's batches from there on.
CREATE TABLE consentd.decision_lookup_progress (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  leaves bigint NOT NULL,
  -- The log's tree of so many leaves: the roots of its largest complete subtrees, 32 bytes each.
  frontier bytea NOT NULL,
  -- The log has ended and every leaf of it is looked up.
  is_whole boolean NOT NULL,
  CONSTRAINT decision_lookup_progress_pkey PRIMARY KEY (organization_id, log_id),
  CONSTRAINT decision_lookup_progress_leaves_check CHECK (leaves >= 0),
  CONSTRAINT decision_lookup_progress_frontier_check CHECK (octet_length(frontier) % 32 = 0)
) WITH (fillfactor = 50);
CREATE INDEX decision_lookup_progress_open_idx
  ON consentd.decision_lookup_progress (organization_id, log_id) WHERE NOT is_whole;

CREATE TABLE consentd.decision_lookup (
  organization_id uuid NOT NULL,
  -- A patient's or grant's id; of an image, an actor and a reason a digest (`LookupKey`).
  key uuid NOT NULL,
  -- The earliest instant of a decision in this row; none is a minute or more later.
  decided_from timestamptz NOT NULL,
  log_id uuid NOT NULL,
  first_leaf bigint NOT NULL,
  -- The decisions in order of their leaves (`LookupEntry`).
  entries bytea NOT NULL,
  CONSTRAINT decision_lookup_pkey
    PRIMARY KEY (organization_id, key, decided_from, log_id, first_leaf)
);
ALTER TABLE consentd.decision_lookup ALTER COLUMN entries SET STORAGE EXTERNAL;

-- Roots of the complete subtrees of 2^level leaves, from 2^8 on: of smaller ones the records are
-- read, which are in one or two batches.
CREATE TABLE consentd.proof_log_subtree (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  level smallint NOT NULL,
  -- The subtree's first leaf divided by 2^level.
  number bigint NOT NULL,
  root bytea NOT NULL,
  CONSTRAINT proof_log_subtree_pkey PRIMARY KEY (organization_id, log_id, level, number),
  CONSTRAINT proof_log_subtree_root_check CHECK (octet_length(root) = 32)
);

-- Once a log, in the transaction of its first batch: so there is no log without its progress.
CREATE FUNCTION consentd.begin_decision_lookup() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO consentd.decision_lookup_progress (organization_id, log_id, leaves, frontier, is_whole)
  VALUES (NEW.organization_id, NEW.log_id, 0, '', false);
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION consentd.begin_decision_lookup() FROM PUBLIC;
CREATE TRIGGER proof_log_lookup AFTER INSERT ON consentd.proof_log
  FOR EACH ROW EXECUTE FUNCTION consentd.begin_decision_lookup();

-- Row security binds the owner too, except for this one statement.
ALTER TABLE consentd.proof_log NO FORCE ROW LEVEL SECURITY;
INSERT INTO consentd.decision_lookup_progress (organization_id, log_id, leaves, frontier, is_whole)
SELECT organization_id, log_id, 0, '', false FROM consentd.proof_log;
ALTER TABLE consentd.proof_log FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
  allowed CONSTANT text := 'organization_id = ANY ((SELECT NULLIF(current_setting('
    || '''consentd.organizations'', true), '''')::uuid[])::uuid[])';
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'decision_lookup_progress', 'decision_lookup', 'proof_log_subtree'] LOOP
    EXECUTE format('ALTER TABLE consentd.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE consentd.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR SELECT USING (%s)',
      name || '_read', name, allowed);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR INSERT WITH CHECK (%s)',
      name || '_add', name, allowed);
    EXECUTE format('GRANT SELECT, INSERT ON consentd.%I TO consentd_server', name);
  END LOOP;
  EXECUTE format('CREATE POLICY decision_lookup_progress_move ON '
    || 'consentd.decision_lookup_progress FOR UPDATE USING (%s) WITH CHECK (%s)',
    allowed, allowed);
END
$$;

GRANT UPDATE (leaves, frontier, is_whole) ON consentd.decision_lookup_progress TO consentd_server;

RESET ROLE;
