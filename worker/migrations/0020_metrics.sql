-- What ended, counted in the transaction that ends it: videos may be deleted, and counting rows would read them all.
CREATE TABLE job_totals (
  state         TEXT PRIMARY KEY, -- succeeded, failed, cancelled
  jobs          INTEGER NOT NULL,
  begun         INTEGER NOT NULL, -- of them, those that were ever claimed
  seconds       INTEGER NOT NULL, -- from the first claim to the end
  queue_seconds INTEGER NOT NULL  -- from creation to the first claim
) WITHOUT ROWID;

INSERT INTO job_totals
SELECT state, count(*), count(started_at), coalesce(sum(finished_at - started_at), 0), coalesce(sum(started_at - created_at), 0)
FROM jobs WHERE state IN ('succeeded', 'failed', 'cancelled') GROUP BY state;

CREATE TRIGGER jobs_ended AFTER UPDATE OF state ON jobs
WHEN OLD.state IN ('queued', 'running') AND NEW.state IN ('succeeded', 'failed', 'cancelled')
BEGIN
  INSERT INTO job_totals VALUES (NEW.state, 1, NEW.started_at IS NOT NULL,
    coalesce(NEW.finished_at - NEW.started_at, 0), coalesce(NEW.started_at - NEW.created_at, 0))
  ON CONFLICT (state) DO UPDATE SET jobs = jobs + 1, begun = begun + excluded.begun,
    seconds = seconds + excluded.seconds, queue_seconds = queue_seconds + excluded.queue_seconds;
END;

CREATE INDEX tasks_blocked ON tasks (job_id) WHERE state = 'blocked';

-- W3C trace context of the request that began it.
ALTER TABLE uploads ADD COLUMN traceparent TEXT;
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
