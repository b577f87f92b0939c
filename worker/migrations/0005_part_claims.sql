-- Who is writing a part at this moment. One writer at a time: two bodies never race into one part, and no part
-- changes under a completion. A claim whose time is over counts for nothing; the cron clears it away.
CREATE TABLE part_claims (
  upload_id   TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
  number      INTEGER NOT NULL,
  holder      TEXT NOT NULL, -- which request that is
  lease_until INTEGER NOT NULL,
  PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
CREATE INDEX part_claims_by_lease ON part_claims (lease_until);

-- The checksum a part came with and was found to match, as `sha-256=…`: the same part once more need not be stored.
ALTER TABLE upload_parts ADD COLUMN checksum TEXT;
