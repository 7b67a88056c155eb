-- What: logs that another node closed after theirs had died: first the fence, then, once all its
--   records were read and found to give its root, the signature of its end.
-- Why: nobody else can end the log of a node that was killed, so that its last batch stood under its
--   receipts only and every question looked at its end for ever.
-- Locks: only tables made here.

SET LOCAL ROLE consentd_owner;

-- Written in the transaction that claims the log's next leaf, which is what keeps its node out.
CREATE TABLE consentd.proof_log_fence (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  size bigint NOT NULL,
  fenced timestamptz NOT NULL,
  CONSTRAINT proof_log_fence_pkey PRIMARY KEY (organization_id, log_id)
);

CREATE TABLE consentd.proof_log_closing (
  organization_id uuid NOT NULL,
  log_id uuid NOT NULL,
  size bigint NOT NULL,
  root bytea NOT NULL,
  -- The newest size that the log's own node is known to have signed; 0: none.
  own_size bigint NOT NULL,
  -- Of the node that closed it, as signed notes state it.
  verifier_key text NOT NULL,
  -- Ed25519 over the checkpoint with the line that says it was closed by another (`LogClosing`).
  signature bytea NOT NULL,
  closed timestamptz NOT NULL,
  CONSTRAINT proof_log_closing_pkey PRIMARY KEY (organization_id, log_id),
  CONSTRAINT proof_log_closing_root_check CHECK (octet_length(root) = 32),
  CONSTRAINT proof_log_closing_size_check CHECK (size > 0 AND own_size BETWEEN 0 AND size)
);

DO $$
DECLARE
  allowed CONSTANT text := 'organization_id = ANY ((SELECT NULLIF(current_setting('
    || '''consentd.organizations'', true), '''')::uuid[])::uuid[])';
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['proof_log_fence', 'proof_log_closing'] LOOP
    EXECUTE format('ALTER TABLE consentd.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE consentd.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR SELECT USING (%s)',
      name || '_read', name, allowed);
    EXECUTE format('CREATE POLICY %I ON consentd.%I FOR INSERT WITH CHECK (%s)',
      name || '_add', name, allowed);
    EXECUTE format('GRANT SELECT, INSERT ON consentd.%I TO consentd_server', name);
  END LOOP;
END
$$;

RESET ROLE;
