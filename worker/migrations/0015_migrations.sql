-- Libraries that are converted item by item. The migrator tells; what is here decides what it does after a kill.
CREATE TABLE migrations (
  id         TEXT PRIMARY KEY,
  owner_id   TEXT NOT NULL,
  name       TEXT NOT NULL,
  created_at INTEGER NOT NULL DEFAULT (unixepoch()),
  UNIQUE (owner_id, name)
);
CREATE INDEX migrations_by_owner ON migrations (owner_id, created_at DESC, id DESC);

-- One source as one title with one profile: never converted twice for an owner, whichever migration asks.
CREATE TABLE migration_items (
  owner_id         TEXT NOT NULL,
  key              TEXT NOT NULL, -- hash of title, source, its etag and the profile
  migration_id     TEXT NOT NULL REFERENCES migrations (id),
  kind             TEXT NOT NULL,
  content_id       TEXT,
  source           TEXT NOT NULL, -- for people; no secrets
  source_etag      TEXT,
  size_bytes       INTEGER,
  state            TEXT NOT NULL DEFAULT 'pending',
  attempt          INTEGER NOT NULL DEFAULT 0,
  video_id         TEXT, -- made for this item and no other
  job_id           TEXT,
  duration_seconds REAL,
  error_code       TEXT,
  error_detail     TEXT,
  token            TEXT, -- written by the last transition; guards the rest of its batch
  updated_at       INTEGER NOT NULL DEFAULT (unixepoch()),
  PRIMARY KEY (owner_id, key)
) WITHOUT ROWID;
CREATE INDEX migration_items_by_migration ON migration_items (migration_id, key);
CREATE INDEX migration_items_by_state ON migration_items (migration_id, state);
