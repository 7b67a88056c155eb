-- What: the roles, the schema and the list of applied migrations.
-- Why: nobody logs in as the owner, so a stolen login cannot alter tables or their policies.
--   consentd_owner   owns everything, cannot log in;
--   consentd_server  the server's login, reads and adds, does not inherit its other role;
--   consentd_engine  taken on for one statement to list the organizations to be served.
-- Locks: the catalogue rows of the roles, for an instant.

DO $$
BEGIN
  -- Roles belong to the cluster; another database of it may be migrated at this moment.
  BEGIN
    CREATE ROLE consentd_owner NOLOGIN NOINHERIT;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  BEGIN
    CREATE ROLE consentd_engine NOLOGIN NOINHERIT;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  BEGIN
    CREATE ROLE consentd_server LOGIN NOINHERIT;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  IF NOT pg_has_role('consentd_server', 'consentd_engine', 'MEMBER') THEN
    GRANT consentd_engine TO consentd_server;
  END IF;
  IF NOT pg_has_role(current_user, 'consentd_owner', 'MEMBER') THEN
    GRANT consentd_owner TO CURRENT_USER;
  END IF;
END
$$;

CREATE SCHEMA consentd AUTHORIZATION consentd_owner;
GRANT USAGE ON SCHEMA consentd TO consentd_server, consentd_engine;

SET LOCAL ROLE consentd_owner;

CREATE TABLE consentd.schema_migration (
  version integer NOT NULL,
  name text NOT NULL,
  sha256 bytea NOT NULL,
  applied timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT schema_migration_pkey PRIMARY KEY (version)
);
GRANT SELECT ON consentd.schema_migration TO consentd_server;

RESET ROLE;
