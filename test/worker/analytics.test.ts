// What is told of watching: views, drop-off, quality of experience and its alerts.
import { env, SELF } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import type { QoeAnswer, VideoAnalytics } from '../../shared/analytics-api.ts';
import type { CmcdRecord, WatchMessage } from '../../shared/cmcd-record.ts';
import { createLog } from '../../shared/log.ts';
import { bucketOf, emptyHistogram } from '../../shared/log-histogram.ts';
import type { WatchEvent } from '../../shared/watch-api.ts';
import { raiseAlerts } from '../../worker/analytics/alerts.ts';
import { countViews } from '../../worker/playback/popularity.ts';
import { flush } from '../../worker/watch/cmcd-buffer.ts';
import { consumeWatch } from '../../worker/watch/consumer.ts';
import { pruneWatch } from '../../worker/watch/prune.ts';
import { clientOf } from './api-client.ts';
import {
  bearer,
  fetchMedia,
  ORIGIN,
  outcome,
  type PublishedVideo,
  play,
  publishVideo,
} from './playback-fixtures.ts';
import { createWebhook } from './webhook-steps.ts';
import { withinOneHour } from './within-one-hour.ts';

const log = createLog();
beforeEach(withinOneHour, 30_000);

async function deliver(bodies: WatchMessage[]): Promise<void> {
  const messages = bodies.map((body) => ({
    body,
    ack: () => undefined,
    retry: () => expect.fail('sent back'),
  }));
  await consumeWatch({ messages: messages as never }, env as never, log);
}

/** Plays the video from one second to another, as a player tells of it. */
function watched(sessionId: string, fromSeq: number, from: number, to: number): WatchMessage {
  const events: WatchEvent[] = [];
  for (let at = from; at < to; at += 10) {
    const positionSeconds = Math.min(at + 10, to);
    events.push({
      ...{ seq: fromSeq + events.length, type: 'progress', positionSeconds, atMs: Date.now() },
      playedSeconds: positionSeconds - at,
    });
  }
  return { kind: 'events', sessionId, app: 'Test/1', events };
}

function said(sessionId: string, seq: number, change: Partial<WatchEvent>): WatchMessage {
  const event = { seq, type: 'started', positionSeconds: 0, atMs: Date.now(), ...change } as WatchEvent;
  return { kind: 'events', sessionId, app: 'Test/1', events: [event] };
}

async function get(
  path: string,
  ownerId: string,
  role: 'uploader' | 'viewer' = 'uploader',
): Promise<Response> {
  return (await SELF.fetch(ORIGIN + path, { headers: await bearer(ownerId, role) })) as unknown as Response;
}

async function analyticsOf(video: PublishedVideo): Promise<VideoAnalytics> {
  return (await (await get(`/v1/videos/${video.id}/analytics`, video.ownerId)).json()) as VideoAnalytics;
}

async function qoeOf(ownerId: string, groupBy?: string): Promise<QoeAnswer> {
  const path = `/v1/analytics/qoe${groupBy ? `?groupBy=${groupBy}` : ''}`;
  return (await (await get(path, ownerId)).json()) as QoeAnswer;
}

/** Requests of a player that began after `startupMs`, stalled for `stallMs` at 20 s and played 60 s. */
function requests(sessionId: string, startupMs: number, stallMs: number, rung = '480p'): CmcdRecord[] {
  const t0 = Date.now() - 120_000;
  const rest = { sessionId, app: 'App/2.1', rung, durationMs: 6000, bitrateKbps: 800, throughputKbps: 4000 };
  const places = [6, 12, 18, 24, 30, 36, 42, 48, 54];
  return [
    { sessionId, atMs: t0, app: 'App/2.1' },
    { ...rest, atMs: t0 + 100, segment: 0, bufferMs: 0, isUrgent: true },
    ...places.map((seconds, index) => {
      const position = seconds * 1000 - 4000;
      const isAfter = position > 20_000;
      const atMs = t0 + startupMs + position + (isAfter ? stallMs : 0);
      const isStarved = isAfter && position <= 26_000 && stallMs > 0;
      return { ...rest, atMs, segment: index + 1, bufferMs: 4000, ...(isStarved && { isStarved }) };
    }),
  ];
}

describe('GET /v1/videos/:id/analytics', () => {
  it('tells views, viewers, watch time, completion, drop-off and what is watched again', async () => {
    const video = await publishVideo(); // of 100 s
    const [all, half, glance] = await Promise.all([play(video), play(video), play(video)]);
    await deliver([
      watched(all.sessionId, 0, 0, 100),
      watched(all.sessionId, 100, 40, 50),
      watched(half.sessionId, 0, 0, 50),
      watched(glance.sessionId, 0, 0, 5),
    ]);
    const told = await analyticsOf(video);
    expect(told).toMatchObject({
      ...{ views: 2, sessions: 3, uniqueViewers: 1, watchSeconds: 165, averageWatchSeconds: 55 },
      ...{ completionRate: 0.5, averageFraction: 0.5167 },
      rewatchPeaks: [{ fromSeconds: 40, toSeconds: 50, plays: 1.5 }],
    });
    expect(told.dropOff).toHaveLength(100);
    expect([0, 4, 5, 49, 50, 99].map((part) => told.dropOff[part])).toEqual([
      1, 1, 0.6667, 0.6667, 0.3333, 0.3333,
    ]);
    expect([0, 39, 40, 49, 50].map((part) => told.plays[part])).toEqual([1, 1, 1.5, 1.5, 1]);
  });

  it('is for the owner’s managers, and for a range of days', async () => {
    const video = await publishVideo();
    const { sessionId } = await play(video);
    await deliver([watched(sessionId, 0, 0, 20)]);
    const path = `/v1/videos/${video.id}/analytics`;
    expect(await outcome(await get(path, video.ownerId))).toBe('200');
    expect(await outcome(await get(path, video.ownerId, 'viewer'))).toBe('403 forbidden');
    expect(await outcome(await get(path, 'somebody-else'))).toBe('404 not_found');
    expect(await outcome(await get(`${path}?from=2026-03-02&to=2026-03-01`, video.ownerId))).toBe(
      '400 invalid_request',
    );
    const past = await get(`${path}?from=2026-03-01&to=2026-03-02`, video.ownerId);
    expect(await past.json()).toMatchObject({ views: 0, from: '2026-03-01T00:00:00.000Z' });
  });
});

describe('quality of experience', () => {
  it('comes from the players’ own requests, by any dimension', async () => {
    const video = await publishVideo();
    const [quick, slow] = await Promise.all([play(video), play(video)]);
    await deliver([
      { kind: 'cmcd', lost: 0, records: requests(quick.sessionId, 800, 0) },
      { kind: 'cmcd', lost: 0, records: requests(slow.sessionId, 3000, 2000, '720p') },
    ]);
    const { total } = await qoeOf(video.ownerId);
    expect(total).toMatchObject({
      sessions: 2,
      stalls: 1,
      errorRate: 0,
      averageBitrateKbps: 800,
      averageThroughputKbps: 4000,
    });
    // 50 s each by the last request, and two seconds of waiting.
    expect(total.rebufferRatio).toBeCloseTo(2 / 102, 3);
    expect(total.startup!.p95Ms).toBeGreaterThan(2700);
    expect(total.startup!.p95Ms).toBeLessThan(3300);
    const { groups } = await qoeOf(video.ownerId, 'rung');
    expect(groups.map(({ key, sessions }) => [key, sessions]).toSorted()).toEqual([
      ['480p', 1],
      ['720p', 1],
    ]);
    expect((await qoeOf(video.ownerId, 'app')).groups).toMatchObject([{ key: 'App/2.1', sessions: 2 }]);
    expect((await qoeOf(video.ownerId, 'video')).groups).toMatchObject([{ key: video.id }]);
    const [hour] = (await qoeOf(video.ownerId, 'hour')).groups;
    expect(hour).toMatchObject({
      key: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z$/),
      sessions: 2,
    });
    expect((await analyticsOf(video)).qoe).toEqual(total);
  });

  it('counts records once that come twice', async () => {
    const video = await publishVideo();
    const { sessionId } = await play(video);
    const message: WatchMessage = { kind: 'cmcd', lost: 0, records: requests(sessionId, 900, 1000) };
    await deliver([message]);
    // Not the whole answer: its range ends with the second in which it is asked for.
    const { total: once } = await qoeOf(video.ownerId);
    await deliver([message]);
    expect((await qoeOf(video.ownerId)).total).toEqual(once);
  });

  it('believes a player’s own start-up time more than its estimate, whichever comes first', async () => {
    const video = await publishVideo();
    const [early, late] = await Promise.all([play(video), play(video)]);
    const cmcd = (sessionId: string): WatchMessage => ({
      kind: 'cmcd',
      lost: 0,
      records: requests(sessionId, 3000, 0),
    });
    await deliver([said(early.sessionId, 0, { startupMs: 400 })]);
    await deliver([cmcd(early.sessionId), cmcd(late.sessionId)]);
    expect((await qoeOf(video.ownerId)).total.startup).toMatchObject({ sessions: 2 });
    await deliver([said(late.sessionId, 0, { startupMs: 410 })]);
    const { startup, sessions } = { ...(await qoeOf(video.ownerId)).total } as never as {
      startup: Record<string, number>;
      sessions: number;
    };
    expect({ sessions, known: startup.sessions }).toEqual({ sessions: 2, known: 2 });
    expect(startup.p95Ms).toBeLessThan(500);
    expect(startup.score).toBe(95);
  });

  it('counts a session with an error once', async () => {
    const video = await publishVideo();
    const [good, bad] = await Promise.all([play(video), play(video)]);
    await deliver([said(good.sessionId, 0, {}), said(bad.sessionId, 0, {})]);
    await deliver([said(bad.sessionId, 1, { type: 'error' }), said(bad.sessionId, 2, { type: 'error' })]);
    expect((await qoeOf(video.ownerId)).total).toMatchObject({ sessions: 2, errorRate: 0.5 });
  });

  it('reads what players send along with a segment, in headers or in the query', async () => {
    const video = await publishVideo();
    const answer = await play(video);
    const token = new URL(answer.hls!).pathname.split('/')[2]!;
    const headers = {
      'User-Agent': 'Films/3.2.1 (Linux; Android 14) AndroidXMedia3/1.8.0',
      'CMCD-Object': 'br=800,d=6000,ot=v',
      'CMCD-Request': 'bl=0,mtp=4000,su',
      'CMCD-Session': `cid="a",sf=h,sid="x",st=v`,
    };
    const query = `?CMCD=${encodeURIComponent('bl=2000,br=800,d=6000,mtp=6000,ot=v')}`;
    const segment = `${video.prefix}stream_240p_000.m4s`;
    const [plain, withHeaders, withQuery] = [
      await fetchMedia(token, segment),
      await fetchMedia(token, segment, { headers }),
      await fetchMedia(token, segment + query, { headers: { 'User-Agent': headers['User-Agent'] } }),
    ];
    const bytes = await Promise.all(
      [plain, withHeaders, withQuery].map((response) => response.arrayBuffer()),
    );
    expect(bytes.map(({ byteLength }) => byteLength)).toEqual([1000, 1000, 1000]);
    const sent: WatchMessage[] = [];
    await flush({ WATCH: { send: async (body: WatchMessage) => void sent.push(body) } as never }, log);
    const records = sent.flatMap((body) => (body.kind === 'cmcd' ? body.records : []));
    const own = records.filter(({ sessionId }) => sessionId === answer.sessionId);
    expect(own).toMatchObject([
      {
        segment: 0,
        rung: '240p',
        app: 'Films/3.2.1',
        bitrateKbps: 800,
        durationMs: 6000,
        isUrgent: true,
        bufferMs: 0,
      },
      { segment: 0, rung: '240p', app: 'Films/3.2.1', throughputKbps: 6000, bufferMs: 2000 },
    ]);
  });
});

describe('alerts', () => {
  it('are told once while start-up or rebuffering is bad, and again when it was good between', async () => {
    const ownerId = crypto.randomUUID();
    await createWebhook(await clientOf('admin', ownerId));
    const hour = Math.floor(Date.now() / 3_600_000);
    const put = (startupMs: number, stallMs: number, sessions = 40) => {
      const startups = emptyHistogram();
      startups[bucketOf(startupMs)] = sessions;
      return env.DB.prepare(
        `INSERT OR REPLACE INTO qoe_hours VALUES (?, ?, 'v', '', '', '', ?, 0, 1, ?, 100000, ?, 1, 0, 0, 0, 0, 0, 0, 0)`,
      )
        .bind(hour, ownerId, sessions, JSON.stringify(startups), stallMs)
        .run();
    };
    const told = async () => {
      await raiseAlerts(env.DB);
      const { results } = await env.DB.prepare(
        `SELECT body ->> '$.data.metric' AS metric FROM outbox WHERE body ->> '$.ownerId' = ? ORDER BY 1`,
      )
        .bind(ownerId)
        .all<{ metric: string }>();
      return results.map(({ metric }) => metric);
    };
    await put(900, 500);
    expect(await told()).toEqual([]);
    await put(3000, 5000, 5);
    expect(await told()).toEqual([]);
    await put(3000, 500);
    expect(await told()).toEqual(['startup']);
    await put(3000, 5000);
    expect(await told()).toEqual(['rebuffer', 'startup']);
    expect(await told()).toEqual(['rebuffer', 'startup']);
    await put(900, 500);
    await told();
    expect(
      await env.DB.prepare('SELECT count(*) AS n FROM qoe_alerts WHERE owner_id = ?')
        .bind(ownerId)
        .first('n'),
    ).toBe(0);
  });
});

describe('the cron', () => {
  it('counts views for the cache’s classes, and plays where a player tells nothing', async () => {
    const [told, silent] = await Promise.all([publishVideo(), publishVideo()]);
    const [viewed, left] = await Promise.all([play(told), play(told), play(silent)]);
    await deliver([watched(viewed.sessionId, 0, 0, 20), watched(left.sessionId, 0, 0, 2)]);
    await env.DB.prepare('DELETE FROM video_popularity').run();
    await countViews(env.DB);
    const viewsOf = ({ id }: PublishedVideo) =>
      env.DB.prepare('SELECT views_per_day FROM video_popularity WHERE video_id = ?')
        .bind(id)
        .first('views_per_day');
    expect([await viewsOf(told), await viewsOf(silent)]).toEqual([1, 1]);
  });

  it('forgets what is old and keeps what is not', async () => {
    const video = await publishVideo();
    const [old, recent] = await Promise.all([play(video), play(video)]);
    await deliver([watched(old.sessionId, 0, 0, 20), watched(recent.sessionId, 0, 0, 20)]);
    await env.DB.prepare('UPDATE watch_sessions SET begun_at = 1 WHERE session_id = ?')
      .bind(old.sessionId)
      .run();
    await env.DB.prepare('UPDATE qoe_sessions SET heard_at = 1 WHERE session_id = ?')
      .bind(old.sessionId)
      .run();
    await pruneWatch(env.DB);
    for (const table of ['watch_sessions', 'qoe_sessions']) {
      const { results } = await env.DB.prepare(
        `SELECT session_id AS id FROM ${table} WHERE session_id IN (?, ?)`,
      )
        .bind(old.sessionId, recent.sessionId)
        .all();
      expect(results).toEqual([{ id: recent.sessionId }]);
    }
  });
});
