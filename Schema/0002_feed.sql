-- What: organizations and their feeds.
-- Why: the organization's row is the one lock of a change and is never updated, so it does not
--   bloat; the last feed row is the head.
-- Locks: only tables made here.

SET LOCAL ROLE consentd_owner;

CREATE TABLE consentd.organization (
  organization_id uuid NOT NULL,
  name text NOT NULL,
  time_zone text NOT NULL,
  created timestamptz NOT NULL,
  CONSTRAINT organization_pkey PRIMARY KEY (organization_id)
);

-- Partitioned by position: a key on a table partitioned by time would enforce nothing. The ranges
-- grow, so that all that will ever be needed exist from the start.
CREATE TABLE consentd.feed (
  organization_id uuid NOT NULL,
  position bigint NOT NULL,
  chain bytea NOT NULL,
  known timestamptz NOT NULL,
  fact_position bigint NOT NULL,
  event_id uuid NOT NULL,
  kind smallint NOT NULL,
  recorded_by text NOT NULL,
  event jsonb NOT NULL,
  CONSTRAINT feed_pkey PRIMARY KEY (organization_id, position),
  CONSTRAINT feed_position_check CHECK (position > 0),
  CONSTRAINT feed_fact_position_check CHECK (fact_position BETWEEN 0 AND position),
  CONSTRAINT feed_chain_check CHECK (octet_length(chain) = 32)
) PARTITION BY RANGE (position);

CREATE TABLE consentd.feed_p0 PARTITION OF consentd.feed
  FOR VALUES FROM (MINVALUE) TO (16777216);
CREATE TABLE consentd.feed_p1 PARTITION OF consentd.feed
  FOR VALUES FROM (16777216) TO (67108864);
CREATE TABLE consentd.feed_p2 PARTITION OF consentd.feed
  FOR VALUES FROM (67108864) TO (268435456);
CREATE TABLE consentd.feed_p3 PARTITION OF consentd.feed
  FOR VALUES FROM (268435456) TO (1073741824);
CREATE TABLE consentd.feed_p4 PARTITION OF consentd.feed
  FOR VALUES FROM (1073741824) TO (MAXVALUE);

CREATE INDEX feed_known_idx ON consentd.feed (organization_id, known);

-- Not partitioned, so that its key holds over the whole feed: one event once.
CREATE TABLE consentd.feed_event (
  organization_id uuid NOT NULL,
  event_id uuid NOT NULL,
  position bigint NOT NULL,
  CONSTRAINT feed_event_pkey PRIMARY KEY (organization_id, event_id)
);

-- What the feed says of each grant; a grant's version is 1 and one more with each reinstatement.
CREATE TABLE consentd.grant_event (
  organization_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  kind smallint NOT NULL,
  position bigint NOT NULL,
  CONSTRAINT grant_event_pkey PRIMARY KEY (organization_id, grant_id, kind, position)
);

RESET ROLE;
