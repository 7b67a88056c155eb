-- What: a batch of records that fits into a page stays in its row.
-- Why: consentd stores what records of a batch differ in, and no longer all they repeat: some 57
--   bytes a decision, most of them ids. Up to some 130 decisions fit into a page then, and a row of
--   its own for every 2 kB, with an index entry each, costs more than it saves. Larger ones go there
--   as before, and are compressed where that helps: those of large groups of images.
-- Locks: the partitions of proof_log_batch, for an instant; rows stay as they are.

SET LOCAL ROLE consentd_owner;

DO $$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'consentd'::regnamespace AND c.relkind = 'r'
      AND c.relname LIKE 'proof\_log\_batch\_p%'
  LOOP
    EXECUTE format('ALTER TABLE ONLY consentd.%I SET (toast_tuple_target = 8160)', name);
  END LOOP;
END
$$;

RESET ROLE;
