import { env, SELF } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { isRevoked, noteRevoked } from '../../worker/playback/revocations.ts';
import { extendSession, insertSession, revokeSession, sessionOf } from '../../worker/playback/store.ts';
import { bearer, ORIGIN, outcome, type PublishedVideo, play, publishVideo } from './playback-fixtures.ts';

const NO_LIMITS = { MAX_DEVICES_PER_VIEWER: 0, MAX_CONCURRENT_SESSIONS: 0 };

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

/** A session as `play` makes it; undefined for a video that is gone. */
async function begin(video: PublishedVideo): Promise<string | undefined> {
  const id = crypto.randomUUID();
  const begunAt = await insertSession(
    env.DB,
    {
      id,
      videoId: video.id,
      ownerId: video.ownerId,
      viewerId: video.ownerId,
      deviceId: undefined,
      country: undefined,
      outputPrefix: video.prefix,
      ttlSeconds: 60,
      maxRung: undefined,
      manifestRevision: 0,
    },
    NO_LIMITS,
    60,
  );
  return begunAt === undefined ? undefined : id;
}

async function revokedSession(): Promise<string> {
  const id = await begin(await publishVideo());
  await revokeSession(env.DB, id!);
  return id!;
}

describe('deleting a video', () => {
  test('revokes its sessions and no others, and lets none begin or be renewed any more', async () => {
    const [gone, kept] = [await publishVideo(), await publishVideo()];
    const [goneId, keptId] = [await begin(gone), await begin(kept)];
    const past = await begin(gone);
    await env.DB.prepare('UPDATE sessions SET expires_at = unixepoch() - 1 WHERE id = ?').bind(past).run();
    const held = await sessionOf(env.DB, past!, gone.ownerId);
    const headers = await bearer(gone.ownerId, 'uploader');
    const answer = await SELF.fetch(`${ORIGIN}/v1/videos/${gone.id}`, { method: 'DELETE', headers });
    expect(answer.status).toBe(204);

    nowMs += 5000;
    await ask('anyone');
    expect(await ask(goneId!)).toBe(true);
    expect(await ask(keptId!)).toBe(false);
    expect(await begin(gone)).toBeUndefined();
    expect(await begin(kept)).toBeDefined();
    // A request that has read the session, over its time and so not revoked, before its video went.
    expect(await extendSession(env.DB, held!, NO_LIMITS, 60)).toBeUndefined();
    const other = await sessionOf(env.DB, keptId!, kept.ownerId);
    expect(await extendSession(env.DB, other!, NO_LIMITS, 60)).toBeDefined();
  });

  test('refuses media of a session that plays', async () => {
    const video = await publishVideo();
    const { hls } = await play(video);
    expect(await outcome((await SELF.fetch(hls!)) as never)).toBe('200');
    const headers = await bearer(video.ownerId, 'uploader');
    await SELF.fetch(`${ORIGIN}/v1/videos/${video.id}`, { method: 'DELETE', headers });
    nowMs += 5000;
    await ask('anyone');
    // Bytes that are still in the cache, too: the token is judged first.
    expect(await outcome((await SELF.fetch(hls!)) as never)).toBe('403 playback_session_revoked');
  });
});

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
