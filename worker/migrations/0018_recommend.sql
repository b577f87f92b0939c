-- Recommendations: training runs, the model that stands, and what is kept of a viewer's own wishes.

-- One training of one owner's model, claimed by a transcoder under a lease as tasks are. The export is written part by
-- part; cursor_* is the last pair that has left, so that a run goes on where another attempt has stopped.
CREATE TABLE recommend_runs (
  id             TEXT PRIMARY KEY,
  owner_id       TEXT NOT NULL,
  state          TEXT NOT NULL, -- queued, running, succeeded, failed
  epoch          INTEGER NOT NULL DEFAULT 0,
  attempts       INTEGER NOT NULL DEFAULT 0,
  worker_id      TEXT,
  lease_until    INTEGER NOT NULL DEFAULT 0,
  parts          INTEGER NOT NULL DEFAULT 0,
  export_rows    INTEGER NOT NULL DEFAULT 0,
  export_viewers INTEGER NOT NULL DEFAULT 0, -- how many viewers have a number; the last of them is the cursor's
  cursor_viewer  TEXT NOT NULL DEFAULT '',
  cursor_video   TEXT NOT NULL DEFAULT '',
  is_exported    INTEGER NOT NULL DEFAULT 0,
  summary        TEXT, -- ModelSummary
  error_code     TEXT,
  error_detail   TEXT,
  created_at     INTEGER NOT NULL DEFAULT (unixepoch()),
  started_at     INTEGER,
  finished_at    INTEGER,
  dropped_at     INTEGER -- when its objects were removed
);
CREATE UNIQUE INDEX recommend_runs_open ON recommend_runs (owner_id) WHERE state IN ('queued', 'running');
CREATE INDEX recommend_runs_waiting ON recommend_runs (created_at) WHERE state IN ('queued', 'running');
CREATE INDEX recommend_runs_by_owner ON recommend_runs (owner_id, created_at);
CREATE INDEX recommend_runs_to_drop ON recommend_runs (finished_at) WHERE finished_at IS NOT NULL AND dropped_at IS NULL;

-- The pointer: moves forward alone, in the statement that ends a run.
CREATE TABLE recommend_models (
  owner_id     TEXT PRIMARY KEY,
  run_id       TEXT NOT NULL,
  prefix       TEXT NOT NULL,
  begun_at     INTEGER NOT NULL, -- when its run was asked for
  published_at INTEGER NOT NULL DEFAULT (unixepoch())
) WITHOUT ROWID;

-- Viewers who have said something of themselves; the others have no row.
CREATE TABLE viewers (
  owner_id   TEXT NOT NULL,
  viewer_id  TEXT NOT NULL,
  opted_out  INTEGER NOT NULL DEFAULT 0,
  updated_at INTEGER NOT NULL DEFAULT (unixepoch()),
  PRIMARY KEY (owner_id, viewer_id)
) WITHOUT ROWID;

-- A viewer's ranking for at most an hour; the rules are applied to it anew at each request.
CREATE TABLE viewer_rankings (
  owner_id    TEXT NOT NULL,
  viewer_id   TEXT NOT NULL,
  fingerprint TEXT NOT NULL, -- model and history it was made from
  ranking     TEXT NOT NULL,
  made_at     INTEGER NOT NULL DEFAULT (unixepoch()),
  PRIMARY KEY (owner_id, viewer_id)
) WITHOUT ROWID;
CREATE INDEX viewer_rankings_by_age ON viewer_rankings (made_at);
