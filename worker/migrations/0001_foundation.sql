-- D1 is the only truth. Times are Unix seconds from unixepoch(). Every state change is one compare-and-set.

CREATE TABLE videos (
  id              TEXT PRIMARY KEY,
  owner_id        TEXT NOT NULL,
  title           TEXT NOT NULL,
  kind            TEXT NOT NULL,
  content_id      TEXT,
  visibility      TEXT NOT NULL,
  protection      TEXT NOT NULL,
  regions         TEXT NOT NULL DEFAULT '[]',
  tags            TEXT NOT NULL DEFAULT '[]',
  options         TEXT NOT NULL DEFAULT '{}', -- PlanOptions of the owner's choice
  state           TEXT NOT NULL,
  source_key      TEXT,
  source_etag     TEXT,
  source_bytes    INTEGER,
  -- The published generation: moved by publish alone, forward alone.
  published_job   TEXT,
  published_seq   INTEGER NOT NULL DEFAULT 0,
  output_prefix   TEXT,
  presentation    TEXT,
  error_code      TEXT,
  error_detail    TEXT,
  created_at      INTEGER NOT NULL DEFAULT (unixepoch()),
  ready_at        INTEGER
);
CREATE INDEX videos_by_owner ON videos (owner_id, created_at DESC, id DESC);

-- Which video answers for a client's own id. The row moves at publish.
CREATE TABLE contents (
  kind       TEXT NOT NULL,
  content_id TEXT NOT NULL,
  owner_id   TEXT NOT NULL,
  video_id   TEXT NOT NULL,
  PRIMARY KEY (kind, content_id)
);

CREATE TABLE uploads (
  id            TEXT PRIMARY KEY,
  video_id      TEXT NOT NULL REFERENCES videos (id),
  owner_id      TEXT NOT NULL,
  method        TEXT NOT NULL,
  filename      TEXT NOT NULL,
  size_bytes    INTEGER NOT NULL,
  part_bytes    INTEGER NOT NULL,
  part_count    INTEGER NOT NULL,
  sha256        TEXT,
  state         TEXT NOT NULL,
  object_key    TEXT NOT NULL,
  r2_upload_id  TEXT,
  job_id        TEXT,
  error_code    TEXT,
  error_detail  TEXT,
  created_at    INTEGER NOT NULL DEFAULT (unixepoch()),
  expires_at    INTEGER NOT NULL
);
CREATE INDEX uploads_open ON uploads (expires_at) WHERE state IN ('created', 'receiving', 'completing');

CREATE TABLE upload_parts (
  upload_id  TEXT NOT NULL REFERENCES uploads (id),
  number     INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  etag       TEXT NOT NULL,
  PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;

CREATE TABLE jobs (
  id             TEXT PRIMARY KEY,
  video_id       TEXT NOT NULL REFERENCES videos (id),
  owner_id       TEXT NOT NULL,
  kind           TEXT NOT NULL,
  state          TEXT NOT NULL,
  seq            INTEGER NOT NULL, -- order of a video's jobs; publish only moves forward
  priority       INTEGER NOT NULL DEFAULT 0,
  options        TEXT NOT NULL,
  source_key     TEXT NOT NULL,
  source_etag    TEXT NOT NULL,
  source_bytes   INTEGER NOT NULL,
  output_prefix  TEXT NOT NULL,
  profile        TEXT, -- encoder identity, set by the first chunk claim
  plan           TEXT, -- PlanSummary; the three numbers below are out of it, for queries
  total_frames   INTEGER,
  segment_frames INTEGER,
  duration_seconds REAL,
  publish_token  TEXT,
  watched_until  INTEGER NOT NULL DEFAULT 0,
  error_code     TEXT,
  error_detail   TEXT,
  created_at     INTEGER NOT NULL DEFAULT (unixepoch()),
  started_at     INTEGER,
  finished_at    INTEGER,
  pruned_at      INTEGER, -- when its task rows were dropped
  UNIQUE (video_id, seq)
);
CREATE INDEX jobs_open ON jobs (state, created_at) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_to_prune ON jobs (finished_at) WHERE finished_at IS NOT NULL AND pruned_at IS NULL;

CREATE TABLE tasks (
  job_id        TEXT NOT NULL REFERENCES jobs (id),
  name          TEXT NOT NULL,
  kind          TEXT NOT NULL,
  idx           INTEGER NOT NULL,
  segments      INTEGER NOT NULL DEFAULT 0,
  frames        INTEGER NOT NULL DEFAULT 0,
  state         TEXT NOT NULL,
  epoch         INTEGER NOT NULL DEFAULT 0,
  mark          INTEGER NOT NULL DEFAULT 0, -- contiguous durable segments
  mark_at_claim INTEGER NOT NULL DEFAULT 0,
  worker_id     TEXT,
  lease_until   INTEGER NOT NULL DEFAULT 0,
  not_before    INTEGER NOT NULL DEFAULT 0,
  stalls        INTEGER NOT NULL DEFAULT 0, -- lapsed leases in a row without a new segment
  crashes       INTEGER NOT NULL DEFAULT 0, -- ffmpeg dead by signal or memory, as told
  retries       INTEGER NOT NULL DEFAULT 0,
  token         TEXT, -- written by the last transition; guards the rest of its batch
  started_at    INTEGER,
  finished_at   INTEGER,
  PRIMARY KEY (job_id, name)
) WITHOUT ROWID;
CREATE INDEX tasks_ready ON tasks (not_before) WHERE state = 'ready';
CREATE INDEX tasks_running ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_by_worker ON tasks (worker_id) WHERE state = 'running';

-- Side effects, written in the batch of the change that causes them, delivered at least once.
CREATE TABLE outbox (
  id         TEXT PRIMARY KEY,
  topic      TEXT NOT NULL,
  body       TEXT NOT NULL,
  delay_seconds INTEGER NOT NULL DEFAULT 0, -- how long the queue keeps the message back
  next_at    INTEGER NOT NULL DEFAULT (unixepoch()),
  attempts   INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL DEFAULT (unixepoch())
);
CREATE INDEX outbox_due ON outbox (next_at);

CREATE TABLE sessions (
  id            TEXT PRIMARY KEY,
  video_id      TEXT NOT NULL,
  viewer_id     TEXT NOT NULL,
  device_id     TEXT,
  output_prefix TEXT NOT NULL,
  ttl_seconds   INTEGER NOT NULL, -- what each renewal adds
  max_rung      INTEGER, -- highest rung the viewer may see; NULL for all
  created_at    INTEGER NOT NULL DEFAULT (unixepoch()),
  expires_at    INTEGER NOT NULL,
  revoked_at    INTEGER
);
CREATE INDEX sessions_by_viewer ON sessions (viewer_id, expires_at);
CREATE INDEX sessions_revoked ON sessions (expires_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE api_keys (
  id          TEXT PRIMARY KEY,
  owner_id    TEXT NOT NULL,
  name        TEXT NOT NULL,
  role        TEXT NOT NULL,
  secret_hash TEXT NOT NULL, -- SHA-256 of 32 random bytes, hex
  created_at  INTEGER NOT NULL DEFAULT (unixepoch()),
  revoked_at  INTEGER
);
CREATE INDEX api_keys_by_owner ON api_keys (owner_id, created_at DESC);
