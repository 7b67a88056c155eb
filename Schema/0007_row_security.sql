-- What: row security on every table with an organization, and the server's privileges.
-- Why: a query that forgets its organization sees nothing. The list of organizations is local to
--   the transaction; read in a sub-select it is looked at once a query. FORCE binds the owner too.
--   The server reads and adds; nothing recorded can be changed or taken away by it.
-- Locks: each table, exclusively, for an instant; all are empty or just made.

SET LOCAL ROLE consentd_owner;

DO $$
DECLARE
  allowed CONSTANT text := 'organization_id = ANY ((SELECT NULLIF(current_setting('
    || '''consentd.organizations'', true), '''')::uuid[])::uuid[])';
  name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'consentd'::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname <> 'schema_migration'
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

  -- Locking a row asks for the right to update a column; the policy lets it be locked and never
  -- updated.
  EXECUTE format('CREATE POLICY organization_lock ON consentd.organization FOR UPDATE '
    || 'USING (%s) WITH CHECK (false)', allowed);
  EXECUTE format('CREATE POLICY due_work_done ON consentd.due_work FOR DELETE USING (%s)', allowed);
END
$$;

GRANT UPDATE (created) ON consentd.organization TO consentd_server;
GRANT DELETE ON consentd.due_work TO consentd_server;
GRANT SELECT ON consentd.standing_error, consentd.live_grant, consentd.due_candidate
  TO consentd_server;

CREATE POLICY organization_list ON consentd.organization FOR SELECT TO consentd_engine USING (true);
GRANT SELECT ON consentd.organization TO consentd_engine;

RESET ROLE;
