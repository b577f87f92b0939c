-- What was watched, and how well it played.
--
-- watch_sessions: one row per play session that has sent watch events (a row is never split or copied).
--   last_seq, base_seq, seen_bits   which events are counted: every seq below base_seq, and those whose bit is set
--                                   (hex, bit i of byte j stands for base_seq + 8j + i); last_seq is the highest
--   watched_seconds                 media seconds played, repeats included
--   covered                         hex bitmap of the 100 equal parts of the video that were played
--   fraction                        0..1, the share of those 100 parts: the watch fraction of this session
--   max_position_seconds, is_view (10 s were watched), is_completed (0/1)
-- The watch fraction of (owner, viewer, video) is max(fraction) over the rows of watch_sessions_by_viewer, an index
-- that holds all that is needed. viewer_id is '' for nobody in particular. To forget a viewer, delete these rows by
-- that index, and those of qoe_sessions by session_id; the roll-ups hold sums only.
CREATE TABLE watch_sessions (
  session_id           TEXT PRIMARY KEY,
  owner_id             TEXT NOT NULL,
  viewer_id            TEXT NOT NULL,
  video_id             TEXT NOT NULL,
  begun_at             INTEGER NOT NULL,
  heard_at             INTEGER NOT NULL,
  -- Raised by one with each write; a write that has read another version ends its whole transaction by the NOT NULL.
  version              INTEGER NOT NULL,
  last_seq             INTEGER NOT NULL,
  base_seq             INTEGER NOT NULL,
  seen_bits            TEXT NOT NULL,
  events               INTEGER NOT NULL,
  duration_seconds     REAL NOT NULL,
  watched_seconds      REAL NOT NULL,
  max_position_seconds REAL NOT NULL,
  covered              TEXT NOT NULL,
  fraction             REAL NOT NULL,
  is_view              INTEGER NOT NULL,
  is_completed         INTEGER NOT NULL,
  country              TEXT,
  app                  TEXT
) WITHOUT ROWID;
CREATE INDEX watch_sessions_by_viewer
  ON watch_sessions (owner_id, viewer_id, video_id, fraction, watched_seconds, heard_at, is_completed);
CREATE INDEX watch_sessions_by_video ON watch_sessions (video_id, begun_at, viewer_id);
CREATE INDEX watch_sessions_by_begin ON watch_sessions (begun_at);

-- Per video and UTC day on which its sessions began. `reached` and `played` are JSON arrays of 100 numbers: sessions
-- that played that part of the video, and plays of it, repeats included.
CREATE TABLE watch_days (
  video_id        TEXT NOT NULL,
  day             INTEGER NOT NULL,
  owner_id        TEXT NOT NULL,
  sessions        INTEGER NOT NULL,
  views           INTEGER NOT NULL,
  completions     INTEGER NOT NULL,
  events          INTEGER NOT NULL,
  watched_seconds REAL NOT NULL,
  fractions       REAL NOT NULL,
  reached         TEXT NOT NULL,
  played          TEXT NOT NULL,
  PRIMARY KEY (video_id, day)
) WITHOUT ROWID;

-- What is known of how a session plays; `state` is the estimator's memory (shared/cmcd-estimate.ts).
CREATE TABLE qoe_sessions (
  session_id     TEXT PRIMARY KEY,
  heard_at       INTEGER NOT NULL,
  version        INTEGER NOT NULL,
  hour           INTEGER NOT NULL,
  rung           TEXT NOT NULL,
  app            TEXT NOT NULL,
  startup_ms     INTEGER,
  is_measured    INTEGER NOT NULL,
  has_failed     INTEGER NOT NULL,
  state          TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX qoe_sessions_by_age ON qoe_sessions (heard_at);

-- Sums per (hour, video, rung, country, app). `startups` is a JSON array: the log-scale histogram of
-- shared/log-histogram.ts. Empty text stands for unknown.
CREATE TABLE qoe_hours (
  hour            INTEGER NOT NULL,
  owner_id        TEXT NOT NULL,
  video_id        TEXT NOT NULL,
  rung            TEXT NOT NULL,
  country         TEXT NOT NULL,
  app             TEXT NOT NULL,
  sessions        INTEGER NOT NULL,
  failed_sessions INTEGER NOT NULL,
  requests        INTEGER NOT NULL,
  startups        TEXT NOT NULL,
  play_ms         INTEGER NOT NULL,
  stall_ms        INTEGER NOT NULL,
  stalls          INTEGER NOT NULL,
  switches        INTEGER NOT NULL,
  bitrate_kbps    INTEGER NOT NULL,
  bitrates        INTEGER NOT NULL,
  throughput_kbps INTEGER NOT NULL,
  throughputs     INTEGER NOT NULL,
  buffer_ms       INTEGER NOT NULL,
  buffers         INTEGER NOT NULL,
  PRIMARY KEY (hour, owner_id, video_id, rung, country, app)
) WITHOUT ROWID;
CREATE INDEX qoe_hours_by_owner ON qoe_hours (owner_id, hour);
CREATE INDEX qoe_hours_by_video ON qoe_hours (video_id, hour);

-- What was lost or dropped on the way, in all.
CREATE TABLE watch_losses (
  reason TEXT PRIMARY KEY,
  count  INTEGER NOT NULL
) WITHOUT ROWID;

-- Alerts that stand: one of a kind per owner until it is over.
CREATE TABLE qoe_alerts (
  owner_id  TEXT NOT NULL,
  metric    TEXT NOT NULL,
  raised_at INTEGER NOT NULL,
  PRIMARY KEY (owner_id, metric)
) WITHOUT ROWID;
