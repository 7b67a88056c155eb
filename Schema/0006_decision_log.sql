-- What: the decision log and what was reported of uses.
-- Why: on the answer path only packed rows are written, in the order of their keys: no foreign key
--   and no index with random keys. A batch's row refuses a second writer of the same leaf.
-- Locks: only tables made here.

SET LOCAL ROLE consentd_owner;

CREATE TABLE consentd.decision_log_batch (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  first_leaf bigint NOT NULL,
  -- 0: the leaf was claimed to end the log, because the outcome of its last batch was unknown.
  count integer NOT NULL,
  batch_id uuid NOT NULL,
  position bigint NOT NULL,
  chain bytea NOT NULL,
  recorded timestamptz NOT NULL,
  CONSTRAINT decision_log_batch_pkey PRIMARY KEY (organization_id, log_id, first_leaf)
);

-- How the unknown outcome of a batch was resolved.
CREATE TABLE consentd.decision_log_claim (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  first_leaf bigint NOT NULL,
  claim_id uuid NOT NULL,
  -- Whether the batch stands.
  stands boolean NOT NULL,
  claimed timestamptz NOT NULL,
  CONSTRAINT decision_log_claim_pkey PRIMARY KEY (organization_id, log_id, first_leaf, claim_id)
);

CREATE TABLE consentd.decision_log (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  leaf bigint NOT NULL,
  position bigint NOT NULL,
  decided_at timestamptz NOT NULL,
  record bytea NOT NULL,
  CONSTRAINT decision_log_pkey PRIMARY KEY (organization_id, log_id, leaf)
) PARTITION BY RANGE (leaf);

CREATE TABLE consentd.decision_log_p0 PARTITION OF consentd.decision_log
  FOR VALUES FROM (MINVALUE) TO (16777216);
CREATE TABLE consentd.decision_log_p1 PARTITION OF consentd.decision_log
  FOR VALUES FROM (16777216) TO (67108864);
CREATE TABLE consentd.decision_log_p2 PARTITION OF consentd.decision_log
  FOR VALUES FROM (67108864) TO (268435456);
CREATE TABLE consentd.decision_log_p3 PARTITION OF consentd.decision_log
  FOR VALUES FROM (268435456) TO (1073741824);
CREATE TABLE consentd.decision_log_p4 PARTITION OF consentd.decision_log
  FOR VALUES FROM (1073741824) TO (MAXVALUE);

-- Grows at its right end only.
CREATE INDEX decision_log_decided_idx ON consentd.decision_log (organization_id, decided_at);

CREATE TABLE consentd.use_report (
  organization_id uuid NOT NULL,
  report_id uuid NOT NULL,
  log_id uuid,
  leaf bigint,
  image_key text COLLATE "C" NOT NULL,
  happened timestamptz NOT NULL,
  was_used boolean NOT NULL,
  recorded timestamptz NOT NULL,
  recorded_by text NOT NULL,
  body jsonb NOT NULL,
  CONSTRAINT use_report_pkey PRIMARY KEY (organization_id, report_id)
);
CREATE INDEX use_report_happened_idx ON consentd.use_report (organization_id, happened);

RESET ROLE;
