-- What tus knows beyond the other methods: a length that comes later (until then size_bytes is what the quotas
-- have granted), and the client's Upload-Metadata, which it gets back word for word.
ALTER TABLE uploads ADD COLUMN is_length_deferred INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN tus_metadata TEXT;
