-- What tus knows beyond the other methods: a length that comes later (size_bytes is 0 until then), and the
-- client's Upload-Metadata, which it gets back word for word.
ALTER TABLE uploads ADD COLUMN is_length_deferred INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN tus_metadata TEXT;
