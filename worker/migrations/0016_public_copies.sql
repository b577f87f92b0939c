-- What is copied to the PUBLIC bucket, where a deployment has one. Whatever may change that leaves a row here, in the
-- same transaction; the cron brings the bucket up to it and takes the row away.
CREATE TABLE public_changes (
  video_id TEXT PRIMARY KEY,
  version  INTEGER NOT NULL DEFAULT 1,                  -- counts changes: whoever settles an older one has not settled it
  next_at  INTEGER NOT NULL DEFAULT (unixepoch())
) WITHOUT ROWID;
CREATE INDEX public_changes_due ON public_changes (next_at);

-- Prefixes that have, or may have, objects in the bucket.
CREATE TABLE public_copies (
  prefix   TEXT PRIMARY KEY,
  video_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX public_copies_by_video ON public_copies (video_id);

INSERT INTO public_changes (video_id) SELECT id FROM videos WHERE visibility = 'public' AND output_prefix IS NOT NULL;

CREATE TRIGGER videos_public_changed
AFTER UPDATE OF visibility, protection, state, regions, output_prefix, manifest_revision ON videos
WHEN NEW.output_prefix IS NOT NULL AND 'public' IN (OLD.visibility, NEW.visibility)
BEGIN
  INSERT INTO public_changes (video_id) VALUES (NEW.id)
  ON CONFLICT (video_id) DO UPDATE SET version = version + 1, next_at = unixepoch();
END;

CREATE TRIGGER videos_public_removed AFTER DELETE ON videos
WHEN OLD.output_prefix IS NOT NULL AND OLD.visibility = 'public'
BEGIN
  INSERT INTO public_changes (video_id) VALUES (OLD.id)
  ON CONFLICT (video_id) DO UPDATE SET version = version + 1, next_at = unixepoch();
END;

-- An older generation that is not kept any more.
CREATE TRIGGER stale_generations_removed AFTER DELETE ON stale_generations
WHEN EXISTS (SELECT 1 FROM jobs j JOIN videos v ON v.id = j.video_id WHERE j.id = OLD.job_id AND v.visibility = 'public')
BEGIN
  INSERT INTO public_changes (video_id) VALUES ((SELECT video_id FROM jobs WHERE id = OLD.job_id))
  ON CONFLICT (video_id) DO UPDATE SET version = version + 1, next_at = unixepoch();
END;

-- Content keys make a generation one of those that are for nobody without a token.
CREATE TRIGGER content_keys_of_public AFTER INSERT ON content_keys
WHEN EXISTS (SELECT 1 FROM jobs j JOIN videos v ON v.id = j.video_id WHERE j.id = NEW.job_id AND v.visibility = 'public')
BEGIN
  INSERT INTO public_changes (video_id) VALUES ((SELECT video_id FROM jobs WHERE id = NEW.job_id))
  ON CONFLICT (video_id) DO UPDATE SET version = version + 1, next_at = unixepoch();
END;
