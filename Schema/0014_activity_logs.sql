-- What: batches of activity logs (proof_log.kind 3), which hold reads of patient records and where
--   the organization's other logs and its feed stood, are marked as such.
-- Why: they lie where decisions do, so that signing, closing, proofs and exports are the same for
--   them; and whoever reads decisions passes them over without asking for the log of each batch.
-- Locks: proof_log and proof_log_batch, against writing, while their indexes are made: no row is in
--   the larger one yet.

SET LOCAL ROLE consentd_owner;

-- Those that end a log hold no record and are not marked.
ALTER TABLE consentd.proof_log_batch ADD COLUMN is_activity boolean NOT NULL DEFAULT false;

-- Grows at its right end only, as its neighbours do.
CREATE INDEX proof_log_batch_activity_idx
  ON consentd.proof_log_batch (organization_id, decided_from) WHERE is_activity;

-- Logs that were not whole with their first batch: one a node run, and not one a change.
CREATE INDEX proof_log_run_idx ON consentd.proof_log (organization_id, log_id) WHERE kind <> 2;

RESET ROLE;
