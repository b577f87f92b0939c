// The truth behind the API: D1 and R2 of a local stack read from disk, with the Worker down so that nothing moves.
// The simulator keeps multipart parts in `_mf_multipart_parts`, with `object_key` set once they are an object's;
// parts without one belong to an upload that is neither completed nor aborted.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export type StoredState = {
  /** Of each video that was asked for, how many jobs it has. */
  jobsByVideo: Map<string, number>;
  jobs: number;
  openUploads: number;
  /** Parts of R2 multipart uploads that no object owns. */
  looseParts: number;
  /** Of them, those that no open upload owns either. */
  orphanParts: number;
  /** Objects that are no accepted upload's source. */
  orphanObjects: number;
};

export async function readStoredState(stateDirectory: string): Promise<StoredState> {
  using d1 = await openDatabase(stateDirectory, 'd1');
  const jobRows = d1.all<{ videoId: string; count: number }>(
    'SELECT video_id AS videoId, COUNT(*) AS count FROM jobs GROUP BY video_id',
  );
  const open = d1.all<{ key: string }>(
    "SELECT object_key AS key FROM uploads WHERE state IN ('created', 'receiving', 'completing')",
  );
  const sources = d1.all<{ key: string }>("SELECT object_key AS key FROM uploads WHERE state = 'accepted'");

  using r2 = await openDatabase(stateDirectory, 'r2');
  const looseParts = r2.all<{ key: string }>(
    `SELECT u.key FROM _mf_multipart_parts p JOIN _mf_multipart_uploads u ON u.upload_id = p.upload_id
     WHERE p.object_key IS NULL`,
  );
  const objects = r2.all<{ key: string }>('SELECT key FROM _mf_objects');

  const openKeys = new Set(open.map(({ key }) => key));
  const sourceKeys = new Set(sources.map(({ key }) => key));
  return {
    jobsByVideo: new Map(jobRows.map(({ videoId, count }) => [videoId, count])),
    jobs: jobRows.reduce((sum, { count }) => sum + count, 0),
    openUploads: open.length,
    looseParts: looseParts.length,
    orphanParts: looseParts.filter(({ key }) => !openKeys.has(key)).length,
    orphanObjects: objects.filter(({ key }) => !sourceKeys.has(key) && !openKeys.has(key)).length,
  };
}

/** Lets the time of every open upload run out. */
export async function expireOpenUploads(stateDirectory: string): Promise<void> {
  using d1 = await openDatabase(stateDirectory, 'd1');
  d1.run("UPDATE uploads SET expires_at = unixepoch() - 1 WHERE state IN ('created', 'receiving')");
}

/** A Worker that was killed holds its locks until the kernel has ended its last thread, one that runs for each write. */
const LOCK_WAIT_MS = 30_000;

const FOLDERS = { d1: 'miniflare-D1DatabaseObject', r2: 'miniflare-R2BucketObject' };

export type LocalDatabase = Awaited<ReturnType<typeof openDatabase>>;

export async function openDatabase(
  stateDirectory: string,
  kind: keyof typeof FOLDERS,
  { isReadOnly = false } = {},
) {
  const folder = join(stateDirectory, 'v3', kind, FOLDERS[kind]);
  const names = existsSync(folder) ? await readdir(folder) : [];
  const found = names.filter((name) => name.endsWith('.sqlite') && name !== 'metadata.sqlite');
  if (found.length !== 1) throw new Error(`${folder} has ${found.length} databases, one was expected`);
  const database = new DatabaseSync(join(folder, found[0]!), { readOnly: isReadOnly, timeout: LOCK_WAIT_MS });
  return {
    all: <T>(sql: string) => database.prepare(sql).all() as T[],
    run: (sql: string) => void database.exec(sql),
    [Symbol.dispose]: () => database.close(),
  };
}
