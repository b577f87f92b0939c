-- Where the MP4 of a title of an older system lies, for conversions asked for by content id.
CREATE TABLE legacy_sources (
  owner_id   TEXT NOT NULL,
  kind       TEXT NOT NULL,
  content_id TEXT NOT NULL,
  bucket_key TEXT,
  url        TEXT, -- may hold a signature: never logged or shown
  created_at INTEGER NOT NULL DEFAULT (unixepoch()),
  PRIMARY KEY (owner_id, kind, content_id)
) WITHOUT ROWID;
