-- An owner's jobs, newest first.
CREATE INDEX jobs_by_owner ON jobs (owner_id, created_at DESC, id DESC);
