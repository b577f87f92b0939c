-- What a finished job's output takes and is worth (JSON, as in receipt.json beside the certificate).
ALTER TABLE jobs ADD COLUMN receipt TEXT;

-- Encoders that not every transcoder has, and when one that has it last asked for work.
CREATE TABLE encoders_seen (
  encoder TEXT PRIMARY KEY,
  seen_at INTEGER NOT NULL
) WITHOUT ROWID;
