-- Content keys of protected generations, wrapped: nothing in this database opens a segment without KEYS_KEK.
CREATE TABLE content_keys (
  job_id     TEXT NOT NULL,
  n          INTEGER NOT NULL, -- number of the key within its generation
  scheme     TEXT NOT NULL,    -- `aes-128` is handed out as bytes, `cenc` in a licence; neither the other way
  key_id     TEXT NOT NULL,    -- 32 hex digits, random
  kek_id     TEXT NOT NULL,    -- which key encryption key has wrapped it
  wrapped    TEXT NOT NULL,    -- base64url of nonce and AES-256-GCM ciphertext
  created_at INTEGER NOT NULL DEFAULT (unixepoch()),
  PRIMARY KEY (job_id, n)
) WITHOUT ROWID;
CREATE INDEX content_keys_by_kek ON content_keys (kek_id);
