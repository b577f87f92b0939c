-- Whose viewer a session's viewer is, where it began, and when its player was last heard of.
ALTER TABLE sessions ADD COLUMN owner_id TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN country TEXT;
ALTER TABLE sessions ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET
  owner_id = coalesce((SELECT owner_id FROM videos WHERE videos.id = sessions.video_id), ''),
  seen_at = created_at;

-- A viewer's id is unique within the owner; '' is nobody in particular.
DROP INDEX sessions_by_viewer;
CREATE INDEX sessions_by_viewer ON sessions (owner_id, viewer_id, seen_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE viewer_devices (
  owner_id   TEXT NOT NULL,
  viewer_id  TEXT NOT NULL,
  device_id  TEXT NOT NULL,
  created_at INTEGER NOT NULL DEFAULT (unixepoch()),
  seen_at    INTEGER NOT NULL DEFAULT (unixepoch()), -- when it last began to play
  PRIMARY KEY (owner_id, viewer_id, device_id)
) WITHOUT ROWID;
CREATE INDEX viewer_devices_by_age ON viewer_devices (seen_at);
