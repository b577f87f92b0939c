-- Plays begun in the last day, counted once an hour.
CREATE TABLE video_popularity (
  video_id      TEXT PRIMARY KEY,
  views_per_day INTEGER NOT NULL,
  counted_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX video_popularity_by_views ON video_popularity (views_per_day);
CREATE INDEX video_popularity_by_count ON video_popularity (counted_at);
CREATE INDEX sessions_by_begin ON sessions (created_at, video_id);
