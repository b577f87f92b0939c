-- The cron takes a bounded number of rows a run. Whoever was looked at goes to the end of the line, so that rows
-- which fail every time keep nobody else from their turn.
ALTER TABLE jobs ADD COLUMN look_at INTEGER DEFAULT 0; -- NULL once something of it is announced
CREATE INDEX jobs_unannounced ON jobs (look_at, created_at) WHERE state IN ('queued', 'running') AND plan IS NOT NULL;
UPDATE jobs SET look_at = NULL WHERE id IN (SELECT job_id FROM growths);
CREATE TRIGGER growths_announced AFTER INSERT ON growths
BEGIN
  UPDATE jobs SET look_at = NULL WHERE id = NEW.job_id;
END;

CREATE TRIGGER growths_gone AFTER DELETE ON growths
WHEN NOT EXISTS (SELECT 1 FROM growths WHERE job_id = OLD.job_id)
BEGIN
  UPDATE jobs SET look_at = 0 WHERE id = OLD.job_id;
END;

ALTER TABLE videos ADD COLUMN swept_at INTEGER NOT NULL DEFAULT 0;
DROP INDEX videos_stale_manifests;
CREATE INDEX videos_stale_manifests ON videos (swept_at) WHERE subtitles_version > manifest_revision;
DROP INDEX videos_deleting;
CREATE INDEX videos_deleting ON videos (swept_at) WHERE state = 'deleting';

-- Where a deleted video had its objects. A transcoder or a client that slept through the deletion may still write
-- there; the cron looks again when it can no more.
CREATE TABLE purged_prefixes (
  prefix TEXT PRIMARY KEY,
  due_at INTEGER NOT NULL,
  looks  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX purged_prefixes_due ON purged_prefixes (due_at);

-- The order in which ready tasks are handed out, as far as it is a matter of the job and the task alone: a claim
-- reads the head of an index instead of every task there is. worker/jobs/claim.ts says what the numbers mean.
ALTER TABLE tasks ADD COLUMN owner_id TEXT;
ALTER TABLE tasks ADD COLUMN job_created_at INTEGER;
ALTER TABLE tasks ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER tasks_ranked AFTER INSERT ON tasks
BEGIN
  UPDATE tasks SET (owner_id, job_created_at, rank) = (
    SELECT j.owner_id, j.created_at, j.priority * -30
      + CASE NEW.kind WHEN 'plan' THEN 0 WHEN 'instant' THEN 10 ELSE 20 END
      + CASE WHEN NEW.kind = 'finish' THEN 0 WHEN NEW.kind = 'chunk' AND NEW.idx = 0 THEN 2 WHEN NEW.kind = 'audio' THEN 4
          WHEN NEW.kind = 'text' THEN 8 ELSE 6 END
      + (coalesce(j.duration_seconds, 0) > 300)
    FROM jobs j WHERE j.id = NEW.job_id)
  WHERE job_id = NEW.job_id AND name = NEW.name;
END;
CREATE TRIGGER jobs_ranked AFTER UPDATE OF priority, duration_seconds ON jobs
BEGIN
  UPDATE tasks SET rank = NEW.priority * -30
      + CASE kind WHEN 'plan' THEN 0 WHEN 'instant' THEN 10 ELSE 20 END
      + CASE WHEN kind = 'finish' THEN 0 WHEN kind = 'chunk' AND idx = 0 THEN 2 WHEN kind = 'audio' THEN 4
          WHEN kind = 'text' THEN 8 ELSE 6 END
      + (coalesce(NEW.duration_seconds, 0) > 300)
  WHERE job_id = NEW.id;
END;
UPDATE jobs SET priority = priority WHERE state IN ('queued', 'running');
UPDATE tasks SET (owner_id, job_created_at) = (SELECT owner_id, created_at FROM jobs WHERE id = job_id)
WHERE state IN ('blocked', 'ready', 'running');
CREATE INDEX tasks_by_rank ON tasks (rank, job_created_at, job_id, idx, not_before) WHERE state = 'ready';
CREATE INDEX tasks_by_owner ON tasks (owner_id, rank, job_created_at, job_id, idx, not_before) WHERE state = 'ready';
CREATE INDEX jobs_watched ON jobs (watched_until) WHERE state = 'running';
-- The cron looks for jobs whose encoder nobody has.
CREATE INDEX jobs_by_encoder ON jobs (id) WHERE state IN ('queued', 'running') AND coalesce(options ->> 'encoder', 'libx264') <> 'libx264';
