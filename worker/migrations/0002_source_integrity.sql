-- A declared SHA-256 that storage has not checked itself: every job on the source checks it before publishing.
ALTER TABLE videos ADD COLUMN source_sha256 TEXT;
ALTER TABLE jobs ADD COLUMN source_sha256 TEXT;

-- 1 while an upload that ended badly may still have bytes in R2.
ALTER TABLE uploads ADD COLUMN has_leftovers INTEGER NOT NULL DEFAULT 0;
CREATE INDEX uploads_with_leftovers ON uploads (id) WHERE has_leftovers = 1;

-- The cron and the deletion of a video read these every time; without an index they read whole tables. The
-- planner takes a partial index for the very expression of its WHERE alone.
DROP INDEX uploads_open;
CREATE INDEX uploads_open ON uploads (expires_at) WHERE state IN ('created', 'receiving');
CREATE INDEX uploads_completing ON uploads (expires_at) WHERE state = 'completing';
CREATE INDEX uploads_by_video ON uploads (video_id);
CREATE INDEX sessions_by_video ON sessions (video_id, expires_at);
CREATE INDEX contents_by_video ON contents (video_id);
CREATE INDEX videos_deleting ON videos (id) WHERE state = 'deleting';
