-- What an `import` task fetches. Its bytes, parts and quota are those of an upload with method 'import', which no
-- client can name; this row adds where they come from.
CREATE TABLE imports (
  job_id     TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  upload_id  TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
  url        TEXT, -- may hold a signature: never logged or shown, dropped when the file is here
  bucket_key TEXT, -- or a key of the deployment's own bucket
  validator  TEXT  -- strong etag or date of the file whose parts are stored
);
CREATE INDEX imports_by_upload ON imports (upload_id);
