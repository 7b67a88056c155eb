-- What: the packed decision log: a row a batch, with the root of the log's Merkle tree after it.
-- Why: one row and one key for many decisions, and a root that later changes cannot agree with.
--   decision_log and decision_log_batch keep what was logged before and are still read.
-- Locks: only tables made here.

SET LOCAL ROLE consentd_owner;

-- Each log once, written with its first batch.
CREATE TABLE consentd.proof_log (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  epoch bigint NOT NULL,
  -- 1: the decisions of a node's run; 2: those logged with one change.
  kind smallint NOT NULL,
  started timestamptz NOT NULL,
  CONSTRAINT proof_log_pkey PRIMARY KEY (organization_id, log_id)
);
-- Grows at its right end only.
CREATE INDEX proof_log_started_idx ON consentd.proof_log (organization_id, started);

CREATE TABLE consentd.proof_log_batch (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  -- Its primary key refuses a second writer of the same leaf.
  first_leaf bigint NOT NULL,
  -- 0: the leaf was claimed to end the log, because the outcome of its last batch was unknown.
  count integer NOT NULL,
  epoch bigint NOT NULL,
  -- Of the tree of first_leaf + count leaves.
  root bytea NOT NULL,
  batch_id uuid NOT NULL,
  -- The feed's head that the batch was compared with.
  position bigint NOT NULL,
  chain bytea NOT NULL,
  -- The earliest and the latest instant of a decision in it.
  decided_from timestamptz NOT NULL,
  decided_until timestamptz NOT NULL,
  -- Whether these are more than a second apart.
  is_long boolean NOT NULL,
  recorded timestamptz NOT NULL,
  -- Each record with its length in front, 32 bits, big-endian.
  records bytea NOT NULL,
  CONSTRAINT proof_log_batch_pkey PRIMARY KEY (organization_id, log_id, first_leaf),
  CONSTRAINT proof_log_batch_root_check CHECK (octet_length(root) = 32),
  CONSTRAINT proof_log_batch_count_check CHECK (count >= 0 AND first_leaf >= 0)
) PARTITION BY RANGE (first_leaf);

-- Compression would cost more on the answer path than it saves.
ALTER TABLE consentd.proof_log_batch ALTER COLUMN records SET STORAGE EXTERNAL;

CREATE TABLE consentd.proof_log_batch_p0 PARTITION OF consentd.proof_log_batch
  FOR VALUES FROM (MINVALUE) TO (16777216);
CREATE TABLE consentd.proof_log_batch_p1 PARTITION OF consentd.proof_log_batch
  FOR VALUES FROM (16777216) TO (67108864);
CREATE TABLE consentd.proof_log_batch_p2 PARTITION OF consentd.proof_log_batch
  FOR VALUES FROM (67108864) TO (268435456);
CREATE TABLE consentd.proof_log_batch_p3 PARTITION OF consentd.proof_log_batch
  FOR VALUES FROM (268435456) TO (1073741824);
CREATE TABLE consentd.proof_log_batch_p4 PARTITION OF consentd.proof_log_batch
  FOR VALUES FROM (1073741824) TO (MAXVALUE);

-- Both grow at their right end only. A reader of a period looks a second ahead of it in the first
-- and finds the long ones that reach into it in the second.
CREATE INDEX proof_log_batch_decided_idx
  ON consentd.proof_log_batch (organization_id, decided_from);
CREATE INDEX proof_log_batch_long_idx
  ON consentd.proof_log_batch (organization_id, decided_until) WHERE is_long;

DO $$
DECLARE
  allowed CONSTANT text := 'organization_id = ANY ((SELECT NULLIF(current_setting('
    || '''consentd.organizations'', true), '''')::uuid[])::uuid[])';
  name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'consentd'::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname LIKE 'proof\_log%'
  LOOP
    EXECUTE format('ALTER TABLE consentd.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE consentd.%I FORCE ROW LEVEL SECURITY', name);
    -- A partition is reached through its parent only: it has no policy and nobody's grant.
    CONTINUE WHEN (
      SELECT c.relispartition FROM pg_class c
      WHERE c.relnamespace = 'consentd'::regnamespace AND c.relname = name);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR SELECT USING (%s)',
      name || '_read', name, allowed);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR INSERT WITH CHECK (%s)',
      name || '_add', name, allowed);
    EXECUTE format('GRANT SELECT, INSERT ON consentd.%I TO consentd_server', name);
  END LOOP;
END
$$;

RESET ROLE;
