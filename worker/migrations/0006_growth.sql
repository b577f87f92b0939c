-- What may be watched while its job is at work: the copied rendition (`instant`) or the ladder itself (`early`).
-- A row is written when it is announced and stays as long as somebody may be on it.
CREATE TABLE growths (
  prefix       TEXT PRIMARY KEY, -- of its objects
  job_id       TEXT NOT NULL,
  video_id     TEXT NOT NULL,
  kind         TEXT NOT NULL,
  announced_at INTEGER NOT NULL DEFAULT (unixepoch()),
  -- Its lists held `shown` segments at `shown_at` and get one more every `drip_seconds` while there are any.
  shown        INTEGER NOT NULL,
  shown_at     INTEGER NOT NULL,
  drip_seconds REAL NOT NULL,
  completed_at INTEGER, -- every segment is durable
  closed_at    INTEGER  -- it will not be finished: sessions on it end
);
CREATE INDEX growths_by_video ON growths (video_id);
CREATE INDEX growths_by_job ON growths (job_id);

-- Objects that no new session is given: a job's `ladder` or its `instant` copy. They are deleted when they are due
-- and the last session on them is over.
CREATE TABLE stale_generations (
  job_id TEXT NOT NULL,
  part   TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  PRIMARY KEY (job_id, part)
) WITHOUT ROWID;
CREATE INDEX stale_generations_due ON stale_generations (due_at);
