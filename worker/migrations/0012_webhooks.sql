-- Where an owner's events go.
CREATE TABLE webhook_endpoints (
  id          TEXT PRIMARY KEY,
  owner_id    TEXT NOT NULL,
  url         TEXT NOT NULL,
  description TEXT,
  events      TEXT NOT NULL DEFAULT '[]', -- types it wants; all where it names none
  secrets     TEXT NOT NULL, -- wrapped, newest first: [{id, wrapped, until?}]
  status      TEXT NOT NULL DEFAULT 'enabled',
  disabled_reason TEXT,
  created_at  INTEGER NOT NULL DEFAULT (unixepoch())
);
CREATE INDEX webhook_endpoints_by_owner ON webhook_endpoints (owner_id, created_at DESC);

-- One event on its way to one endpoint.
CREATE TABLE webhook_deliveries (
  id          TEXT PRIMARY KEY,
  endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id),
  event_id    TEXT NOT NULL,
  type        TEXT NOT NULL,
  payload     TEXT NOT NULL, -- the very bytes that are sent
  state       TEXT NOT NULL DEFAULT 'pending',
  next_at     INTEGER NOT NULL DEFAULT (unixepoch()), -- of the next attempt; while `sending`, when its lease ends
  epoch       INTEGER NOT NULL DEFAULT 0, -- of the attempt: whoever holds an older one has lost it
  tries       INTEGER NOT NULL DEFAULT 0, -- ended attempts of the schedule that runs
  attempts    TEXT NOT NULL DEFAULT '[]', -- the last ones: [{at, statusCode?, durationMs, error?}]
  created_at  INTEGER NOT NULL DEFAULT (unixepoch()),
  UNIQUE (event_id, endpoint_id)
);
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (endpoint_id, next_at) WHERE state IN ('pending', 'sending');
CREATE INDEX webhook_deliveries_sending ON webhook_deliveries (endpoint_id, next_at) WHERE state = 'sending';
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at);

CREATE INDEX outbox_events ON outbox (created_at) WHERE topic = 'event';
