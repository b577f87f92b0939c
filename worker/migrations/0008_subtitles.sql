-- Subtitles that were uploaded. Their text outlives every generation; each change of a video's set has a number.
CREATE TABLE subtitles (
  id          TEXT PRIMARY KEY,
  video_id    TEXT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
  version     INTEGER NOT NULL, -- the video's subtitles_version that they came with
  name        TEXT NOT NULL,    -- `de_r3`: language and version
  language    TEXT NOT NULL,
  label       TEXT NOT NULL,
  is_default  INTEGER NOT NULL,
  is_forced   INTEGER NOT NULL,
  is_captions INTEGER NOT NULL,
  object_key  TEXT NOT NULL,
  created_at  INTEGER NOT NULL DEFAULT (unixepoch())
);
CREATE UNIQUE INDEX subtitles_by_video ON subtitles (video_id, version);

ALTER TABLE videos ADD COLUMN subtitles_version INTEGER NOT NULL DEFAULT 0;
-- Which of them the published generation's newest manifests have; 0 stands for the manifests it was made with.
ALTER TABLE videos ADD COLUMN manifest_revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX videos_stale_manifests ON videos (id) WHERE subtitles_version > manifest_revision;

-- A session keeps the manifests it began with.
ALTER TABLE sessions ADD COLUMN manifest_revision INTEGER NOT NULL DEFAULT 0;
