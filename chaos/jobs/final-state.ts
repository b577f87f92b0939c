// What is left in D1 and R2 at the end, read from disk while the Worker is down, as lines of the history.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskFacts } from '../../shared/messages.ts';
import { initName, segmentName } from '../../shared/object-keys.ts';
import { openDatabase } from '../local-state.ts';
import type { Fields, History } from './history.ts';

const ROWS: Record<string, string> = {
  'final.job': `SELECT id, video_id AS videoId, state, seq, error_code AS errorCode, error_detail AS errorDetail,
                  output_prefix AS outputPrefix FROM jobs`,
  'final.video': `SELECT id, state, content_id AS contentId, published_job AS job, published_seq AS seq,
                    output_prefix AS outputPrefix, source_key AS sourceKey FROM videos`,
  'final.upload': `SELECT id, video_id AS videoId, state, object_key AS objectKey, size_bytes AS sizeBytes FROM uploads`,
  'final.outbox': 'SELECT id, topic FROM outbox',
  'final.delivery': 'SELECT event_id AS eventId, type, state FROM webhook_deliveries',
  'final.task': `SELECT job_id AS jobId, name, state FROM tasks WHERE state IN ('blocked', 'ready', 'running')`,
};

export async function noteFinalState(stateDirectory: string, history: History): Promise<void> {
  using d1 = await openDatabase(stateDirectory, 'd1');
  for (const [event, sql] of Object.entries(ROWS)) {
    for (const row of d1.all<Fields>(sql)) history.note(event, row);
  }
  using r2 = await openDatabase(stateDirectory, 'r2');
  const objects = r2.all<{ key: string; blobId: string | null; sizeBytes: number }>(
    'SELECT key, blob_id AS blobId, size AS sizeBytes FROM _mf_objects',
  );
  for (const { key, blobId, sizeBytes } of objects) {
    const bytes = blobId === null ? undefined : await readBlob(stateDirectory, blobId);
    const sha256 = bytes && createHash('sha256').update(bytes).digest('hex');
    history.note('final.object', { key, sizeBytes, sha256 });
    if (bytes && /^work\/[^/]+\/(chunk|audio)_\d+\.json$/.test(key)) noteFacts(key, bytes, history);
  }
}

/** What the tasks found in the bytes they stored, which the certificate was made from. */
function noteFacts(key: string, bytes: Buffer, history: History): void {
  const jobId = key.split('/')[1];
  const { tracks } = JSON.parse(String(bytes)) as TaskFacts;
  for (const { stem, init, segments } of tracks) {
    const all = [
      { name: initName(stem), ...init },
      ...segments.map((facts) => ({ name: segmentName(stem, facts.index), ...facts })),
    ];
    for (const { name, sha256, sizeBytes } of all)
      history.note('final.fact', { jobId, name, sha256, sizeBytes });
  }
}

/**
 * While the Worker is down. Nobody is watching any more: what is kept for those who do is due now. So is what a dead
 * Worker was sending, which the next one would wait half a minute for.
 */
export async function makeStaleDue(stateDirectory: string): Promise<void> {
  using d1 = await openDatabase(stateDirectory, 'd1');
  d1.run('UPDATE stale_generations SET due_at = 0');
  d1.run('UPDATE purged_prefixes SET due_at = 0');
  d1.run('UPDATE sessions SET expires_at = unixepoch() - 1');
  d1.run('UPDATE outbox SET next_at = unixepoch()');
  d1.run("UPDATE webhook_deliveries SET next_at = unixepoch() WHERE state IN ('pending', 'sending')");
}

export async function staleLeft(stateDirectory: string): Promise<number> {
  using d1 = await openDatabase(stateDirectory, 'd1', { isReadOnly: true });
  const [row] = d1.all<{ count: number }>(
    `SELECT (SELECT count(*) FROM stale_generations WHERE due_at <= unixepoch())
       + (SELECT count(*) FROM purged_prefixes WHERE due_at <= unixepoch())
       + (SELECT count(*) FROM videos WHERE state = 'deleting')
       + (SELECT count(*) FROM outbox)
       + (SELECT count(*) FROM webhook_deliveries WHERE state IN ('pending', 'sending')) AS count`,
  );
  return row?.count ?? 0;
}

function readBlob(stateDirectory: string, blobId: string): Promise<Buffer> {
  return readFile(join(stateDirectory, 'v3/r2/reelay-media/blobs', blobId));
}
