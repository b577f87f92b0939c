-- Quotas are sums over the uploads themselves: nothing to give back, nothing that could drift. The index holds
-- every column the sums read.
CREATE INDEX uploads_by_owner ON uploads (owner_id, state, created_at, size_bytes, video_id);

-- Bytes of a UTC day whose videos are gone again: deleting gives back storage, not the day's traffic.
CREATE TABLE upload_days (
  owner_id TEXT NOT NULL,
  day      INTEGER NOT NULL, -- days since 1970
  bytes    INTEGER NOT NULL,
  PRIMARY KEY (owner_id, day)
) WITHOUT ROWID;

-- One row per Idempotency-Key of a caller, for 24 hours.
CREATE TABLE idempotency_keys (
  scope        TEXT NOT NULL, -- whose key it is
  key          TEXT NOT NULL,
  request_hash TEXT NOT NULL, -- SHA-256 of method, path and body
  resource_id  TEXT NOT NULL, -- id of what the request makes, chosen before it is made
  status       INTEGER,       -- of the answer; NULL while a request is at it
  holder       TEXT NOT NULL, -- which request that is
  lease_until  INTEGER NOT NULL,
  created_at   INTEGER NOT NULL DEFAULT (unixepoch()),
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
