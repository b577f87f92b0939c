// Watch events from the request to the sums: taken, told apart, counted once.
import { env, SELF } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import type { WatchMessage } from '../../shared/cmcd-record.ts';
import { createLog } from '../../shared/log.ts';
import type { WatchAnswer, WatchEvent } from '../../shared/watch-api.ts';
import type { Env } from '../../worker/env.ts';
import { consumeWatch } from '../../worker/watch/consumer.ts';
import { randomOf, shuffled } from '../support/random.ts';
import {
  bearer,
  ORIGIN,
  outcome,
  type PublishedVideo,
  play,
  playToken,
  publishVideo,
} from './playback-fixtures.ts';
import { withinOneHour } from './within-one-hour.ts';

const log = createLog();
beforeEach(withinOneHour, 30_000);

function progress(seq: number, change: Partial<WatchEvent> = {}): WatchEvent {
  return { seq, type: 'progress', positionSeconds: (seq + 1) * 10, atMs: Date.now(), ...change };
}

/** What a page sends with `sendBeacon`. */
function beacon(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return SELF.fetch(`${ORIGIN}/v1/watch`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/plain;charset=UTF-8', Origin: 'https://a.page', ...headers },
    body: text,
  }) as unknown as Promise<Response>;
}

async function answered(response: Response): Promise<WatchAnswer> {
  expect(response.status).toBe(202);
  return (await response.json()) as WatchAnswer;
}

/** Delivers messages as the queue would. @returns those that were acknowledged and sent back */
async function deliver(bodies: unknown[], watched: Env = env as never, attempts = 1) {
  const counts = { acked: 0, retried: 0 };
  const messages = bodies.map((body, index) => ({
    ...{ id: `m${index}`, timestamp: new Date(), attempts, body },
    ack: () => counts.acked++,
    retry: () => counts.retried++,
  }));
  await consumeWatch({ messages: messages as never }, watched, log);
  return counts;
}

function eventsOf(sessionId: string, events: WatchEvent[], app = ''): WatchMessage {
  return { kind: 'events', sessionId, app, events };
}

async function begun(video: PublishedVideo): Promise<{ sessionId: string; token: string }> {
  const answer = await play(video);
  return { sessionId: answer.sessionId, token: new URL(answer.hls!).pathname.split('/')[2]! };
}

async function dayOf(video: PublishedVideo) {
  const row = await env.DB.prepare('SELECT * FROM watch_days WHERE video_id = ?').bind(video.id).first();
  return row as Record<string, number> & { reached: never; played: never };
}

/** What /metrics says was refused, cut down or given up. */
async function dropped(ownerId: string): Promise<Record<string, number>> {
  const response = await SELF.fetch(`${ORIGIN}/metrics`, { headers: await bearer(ownerId, 'admin') });
  const rows = (await response.text()).matchAll(/^reelay_watch_dropped_total\{reason="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...rows].map(([, reason, count]) => [reason!, Number(count)]));
}

describe('POST /v1/watch', () => {
  it('takes a beacon that carries nothing but its body', async () => {
    const video = await publishVideo();
    const { sessionId, token } = await begun(video);
    const response = await beacon({ sessionId, token, events: [progress(0), progress(1)] });
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(await answered(response)).toEqual({ accepted: 2, clipped: 0, refused: 0, reasons: {} });
  });

  it('brings events through the queue into the sums', async () => {
    const video = await publishVideo();
    const { sessionId, token } = await begun(video);
    await answered(await beacon({ sessionId, token, events: [progress(0)] }));
    await expect.poll(() => dayOf(video), { timeout: 20_000, interval: 200 }).toMatchObject({ views: 1 });
  });

  it('refuses what proves no session, and a session that is not the token’s', async () => {
    const video = await publishVideo();
    const { sessionId, token } = await begun(video);
    const other = await begun(video);
    const events = [progress(0)];
    const owner = await bearer(video.ownerId);
    const stranger = await bearer('somebody-else');
    expect(await outcome(await beacon({ sessionId, token, events }))).toBe('202');
    expect(await outcome(await beacon({ sessionId, events }))).toBe('401 unauthorized');
    expect(await outcome(await beacon({ sessionId, token: other.token, events }))).toBe(
      '403 playback_outside_token',
    );
    expect(await outcome(await beacon({ sessionId, token: `${token}x`, events }))).toBe(
      '403 playback_token_invalid',
    );
    expect(await outcome(await beacon({ sessionId, events }, owner))).toBe('202');
    expect(await outcome(await beacon({ sessionId, events }, stranger))).toBe('404 not_found');
  });

  it('takes the last words of a token that has just expired, and none after that', async () => {
    const video = await publishVideo();
    const at = (ageSeconds: number, sid: string) =>
      playToken(video, { sid, exp: Math.floor(Date.now() / 1000) - ageSeconds });
    const sessionId = crypto.randomUUID();
    const events = [progress(0)];
    expect(await outcome(await beacon({ sessionId, events, token: await at(300, sessionId) }))).toBe('202');
    expect(await outcome(await beacon({ sessionId, events, token: await at(900, sessionId) }))).toBe(
      '401 playback_token_expired',
    );
  });

  it('takes 400 events and 64 KiB, and no more', async () => {
    const video = await publishVideo();
    const { sessionId, token } = await begun(video);
    const events = (count: number) => Array.from({ length: count }, (_, seq) => progress(seq));
    expect((await answered(await beacon({ sessionId, token, events: events(400) }))).accepted).toBe(400);
    expect(await outcome(await beacon({ sessionId, token, events: events(401) }))).toBe(
      '400 invalid_request',
    );
    const padded = (bytes: number) =>
      JSON.stringify({ sessionId, token, events: [progress(0)] }).padEnd(bytes);
    expect(await outcome(await beacon(padded(65_536)))).toBe('202');
    expect(await outcome(await beacon(padded(65_537)))).toBe('413 upload_body_too_large');
  });

  it('counts what it refuses and what it cuts down, and takes the rest', async () => {
    const video = await publishVideo();
    const { sessionId, token } = await begun(video);
    const now = Date.now();
    const events = [
      progress(0),
      progress(1, { playedSeconds: 1e6 }),
      progress(2, { atMs: now + 60_000 }),
      progress(3, { positionSeconds: -1 }),
      progress(4, { playedSeconds: -5 }),
      progress(5, { atMs: now + 3_600_000 }),
      progress(6, { atMs: now - 2 * 86_400_000 }),
      progress(7, { positionSeconds: 1e12 }),
      { ...progress(8), type: 'invented' },
      { ...progress(9), seq: 1e15 },
      null,
    ];
    const before = await dropped(video.ownerId);
    expect(await answered(await beacon({ sessionId, token, events }))).toEqual({
      ...{ accepted: 3, clipped: 2, refused: 8 },
      reasons: { negative: 2, future: 1, late: 1, enormous: 1, malformed: 3 },
    });
    const after = await dropped(video.ownerId);
    const counted = { negative: 2, future: 1, late: 1, enormous: 1, malformed: 3, clipped: 2 };
    for (const [reason, count] of Object.entries(counted))
      expect((after[reason] ?? 0) - (before[reason] ?? 0), reason).toBe(count);
  });
});

describe('the consumer', () => {
  it('counts each of 2,000 events once that come three times each and in any order', async () => {
    const videos = await Promise.all(Array.from({ length: 4 }, () => publishVideo()));
    const sessions = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => ({
        video: videos[index % 4]!,
        ...(await begun(videos[index % 4]!)),
      })),
    );
    const events = sessions.flatMap(({ sessionId }) =>
      Array.from({ length: 100 }, (_, seq) => ({
        sessionId,
        event: progress(seq, { positionSeconds: (seq + 1) % 101, playedSeconds: 1 }),
      })),
    );
    const thrice = shuffled([...events, ...events, ...events], randomOf(7));
    const messages = Array.from({ length: 200 }, (_, index) =>
      thrice.slice(index * 30, index * 30 + 30),
    ).flatMap((slice) =>
      [...Map.groupBy(slice, ({ sessionId }) => sessionId)].map(([sessionId, group]) =>
        eventsOf(
          sessionId,
          group.map(({ event }) => event),
        ),
      ),
    );
    for (let start = 0; start < messages.length; start += 200) {
      const batch = messages.slice(start, start + 200);
      expect(await deliver(batch)).toEqual({ acked: batch.length, retried: 0 });
    }
    for (const video of videos) {
      const day = await dayOf(video);
      expect(day).toMatchObject({ events: 500, sessions: 5, views: 5, completions: 5 });
      expect(day.watched_seconds).toBeCloseTo(500, 6);
      expect(day.fractions).toBeCloseTo(5, 6);
      expect(JSON.parse(day.reached)).toEqual(new Array(100).fill(5));
      expect(JSON.parse(day.played).map((seconds: number) => Math.round(seconds * 1e6) / 1e6)).toEqual(
        new Array(100).fill(5),
      );
    }
  });

  it('writes a batch with fewer statements than it has sessions and videos, and one row each', async () => {
    const videos = await Promise.all(Array.from({ length: 3 }, () => publishVideo()));
    const ids = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => (await begun(videos[index % 3]!)).sessionId),
    );
    // The sessions are known, so that only what is watched is written.
    await deliver(ids.map((id) => eventsOf(id, [progress(0)])));
    const counted = countingStatements(env as never);
    await deliver(
      ids.flatMap((id) => [eventsOf(id, [progress(1)]), eventsOf(id, [progress(2)])]),
      counted.env,
    );
    expect(counted.statements()).toBe(3);
    expect(counted.statements()).toBeLessThanOrEqual(ids.length + videos.length);
    const { results } = await env.DB.prepare(
      'SELECT events, version FROM watch_sessions WHERE session_id IN (SELECT value FROM json_each(?))',
    )
      .bind(JSON.stringify(ids))
      .all();
    expect(results).toEqual(new Array(12).fill({ events: 3, version: 2 }));
  });

  it('lets no message that makes no sense hold up the others', async () => {
    const video = await publishVideo();
    const { sessionId } = await begun(video);
    const bodies = [
      null,
      { kind: 'events' },
      eventsOf('no-such-session', [progress(0)]),
      eventsOf(sessionId, [progress(0)]),
    ];
    expect(await deliver(bodies)).toEqual({ acked: 4, retried: 0 });
    expect(await dayOf(video)).toMatchObject({ events: 1, views: 1 });
  });

  it('gives back what it cannot write, and counts what the queue then gives up', async () => {
    const video = await publishVideo();
    const { sessionId } = await begun(video);
    const broken = { ...env, DB: { prepare: () => env.DB.prepare('SELECT no_such_column') } } as never;
    const counted = async () => (await dropped(video.ownerId)).undelivered ?? 0;
    const before = await counted();
    const bodies = [eventsOf(sessionId, [progress(0), progress(1)])];
    expect(await deliver(bodies, broken, 10)).toEqual({ acked: 0, retried: 1 });
    expect(await counted()).toBe(before);
    expect(await deliver(bodies, broken, 11)).toEqual({ acked: 0, retried: 1 });
    expect(await counted()).toBe(before + 2);
    expect(await deliver(bodies, env as never, 10)).toEqual({ acked: 1, retried: 0 });
  });

  it('keeps sums whole where two consumers hold the same session', async () => {
    const video = await publishVideo();
    const { sessionId } = await begun(video);
    await Promise.all(
      Array.from({ length: 4 }, (_, part) =>
        deliver(
          Array.from({ length: 5 }, (_, seq) =>
            eventsOf(sessionId, [progress(part * 5 + seq), progress(seq)]),
          ),
        ),
      ),
    );
    // Whoever lost every race is told again.
    await deliver(Array.from({ length: 20 }, (_, seq) => eventsOf(sessionId, [progress(seq)])));
    expect(await dayOf(video)).toMatchObject({ events: 20, sessions: 1, views: 1 });
  });

  it('does not count a glance as a view, and ten seconds as one', async () => {
    const video = await publishVideo();
    const { sessionId } = await begun(video);
    await deliver([
      eventsOf(sessionId, [progress(0, { type: 'paused', positionSeconds: 9, playedSeconds: 9 })]),
    ]);
    expect(await dayOf(video)).toMatchObject({ sessions: 1, views: 0 });
    await deliver([
      eventsOf(sessionId, [progress(1, { type: 'paused', positionSeconds: 10, playedSeconds: 1 })]),
    ]);
    expect(await dayOf(video)).toMatchObject({ sessions: 1, views: 1 });
  });

  it('keeps a session alive that tells of itself, and one that was ended ended', async () => {
    const video = await publishVideo();
    const [told, silent, ended] = await Promise.all([begun(video), begun(video), begun(video)]);
    await env.DB.prepare('UPDATE sessions SET seen_at = seen_at - 80 WHERE video_id = ?')
      .bind(video.id)
      .run();
    await env.DB.prepare('UPDATE sessions SET revoked_at = unixepoch() WHERE id = ?')
      .bind(ended.sessionId)
      .run();
    await deliver([told, ended].map(({ sessionId }) => eventsOf(sessionId, [progress(0)])));
    const ageOf = async ({ sessionId }: { sessionId: string }) =>
      await env.DB.prepare('SELECT unixepoch() - seen_at AS age FROM sessions WHERE id = ?')
        .bind(sessionId)
        .first<number>('age');
    expect(await ageOf(told)).toBeLessThan(60);
    expect(await ageOf(silent)).toBeGreaterThanOrEqual(80);
    expect(await ageOf(ended)).toBeGreaterThanOrEqual(80);
  });
});

function countingStatements(real: Env) {
  let count = 0;
  const DB = {
    prepare: (sql: string) => real.DB.prepare(sql),
    batch: (statements: D1PreparedStatement[]) => {
      count += statements.length;
      return real.DB.batch(statements);
    },
  };
  return { env: { ...real, DB } as never as Env, statements: () => count };
}
