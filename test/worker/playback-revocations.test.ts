import { env } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { isRevoked, noteRevoked } from '../../worker/playback/revocations.ts';
import { insertSession, revokeSession } from '../../worker/playback/store.ts';

// One clock for the file: the snapshot it drives is the isolate's.
let nowMs = Date.now();

/** Asks, and waits for the refresh that asking may have started. */
async function ask(sessionId: string, db: D1Database = env.DB): Promise<boolean> {
  const refreshes: Promise<unknown>[] = [];
  const answer = isRevoked(sessionId, {
    db,
    log: createLog(),
    nowMs,
    waitUntil: (work) => refreshes.push(work),
  });
  await Promise.all(refreshes);
  return answer;
}

async function revokedSession(): Promise<string> {
  const id = crypto.randomUUID();
  await insertSession(env.DB, {
    id,
    videoId: 'v',
    viewerId: 'o',
    deviceId: undefined,
    outputPrefix: 'hls/videos/v/g/',
    ttlSeconds: 60,
    maxRung: undefined,
  });
  await revokeSession(env.DB, id);
  return id;
}

describe('the revocation snapshot', () => {
  test('hears of a revocation made elsewhere once its five seconds are over, and never waits', async () => {
    await ask('anyone');
    const id = await revokedSession();
    nowMs += 4999;
    expect(await ask(id)).toBe(false);
    nowMs += 1;
    expect(await ask(id)).toBe(false); // this request is answered from the old snapshot and fetches the new one
    expect(await ask(id)).toBe(true);
    expect(await ask(crypto.randomUUID())).toBe(false);
  });

  test('goes on with what it knows while the database does not answer', async () => {
    const id = await revokedSession();
    nowMs += 5000;
    await ask(id);
    expect(await ask(id)).toBe(true);
    const broken = { prepare: () => expect.unreachable('broken') } as unknown as D1Database;
    nowMs += 5000;
    expect(await ask(id, broken)).toBe(true);
    expect(await ask(id, broken)).toBe(true);
  });

  test('keeps a revocation of this isolate though the refresh under way began before it', async () => {
    const id = crypto.randomUUID(); // never reaches D1, as if the query had run first
    nowMs += 5000;
    const refreshes: Promise<unknown>[] = [];
    isRevoked(id, { db: env.DB, log: createLog(), nowMs, waitUntil: (work) => refreshes.push(work) });
    noteRevoked(id, nowMs);
    await Promise.all(refreshes);
    expect(await ask(id)).toBe(true);
  });
});
