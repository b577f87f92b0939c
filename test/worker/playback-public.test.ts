// What everybody may watch without a token, and what nobody may.
import { env, SELF } from 'cloudflare:test';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { generationPrefix, instantPrefix } from '../../shared/object-keys.ts';
import type { Env } from '../../worker/env.ts';
import { publicPlace } from '../../worker/playback/public-place.ts';
import { ANYONE, deployment } from './playback-callers.ts';
import { bearer, bytesOf, MASTER, MPD, ORIGIN, outcome } from './playback-fixtures.ts';
import { giveKey, published, type Shown, shown } from './public-fixtures.ts';

afterEach(() => {
  vi.useRealTimers();
});

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return SELF.fetch(ORIGIN + path, init as never) as unknown as Promise<Response>;
}

async function said(path: string, init: RequestInit = {}): Promise<string> {
  return await outcome(await get(path, init));
}

/** What is held of places is older than it may be. */
function later(): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5001 });
}

describe('a public video', () => {
  test('is played from its stable place, by URIs into its generation', async () => {
    const { place, jobId } = await shown();
    const answer = await get(`${place}master.m3u8`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('Content-Type')).toBe('application/vnd.apple.mpegurl');
    expect(answer.headers.get('Cache-Control')).toBe('public, no-cache, no-transform');
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBe('*');
    const master = await answer.text();
    expect(master.replaceAll(`${jobId}/`, '')).toBe(MASTER);
    expect(master).toContain(`\n${jobId}/stream_240p.m3u8\n`);
    expect(master).toContain(`URI="${jobId}/audio_en.m3u8"`);
    expect(master).toContain(`URI="${jobId}/stream_240p_iframes.m3u8"`);
    const mpd = await (await get(`${place}manifest.mpd`)).text();
    expect(mpd.replace(`  <BaseURL>${jobId}/</BaseURL>\n`, '')).toBe(MPD);
    expect(mpd.indexOf('<BaseURL>')).toBeLessThan(mpd.indexOf('<Period'));
    expect(await said(`${place}${jobId}/stream_240p.m3u8`)).toBe('200');
  });

  test('is served in ranges, on conditions and to HEAD like everything else', async () => {
    const { place, jobId } = await shown();
    const segment = `${place}${jobId}/stream_240p_000.m4s`;
    const part = await get(segment, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('Content-Range')]).toEqual([206, 'bytes 10-19/1000']);
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytesOf(1000).subarray(10, 20));
    expect(part.headers.get('Cache-Control')).toMatch(/^public, max-age=31536000, immutable/);
    const etag = part.headers.get('ETag')!;
    expect((await get(segment, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    const head = await get(segment, { method: 'HEAD' });
    expect([head.status, head.headers.get('Content-Length')]).toEqual([200, '1000']);
    expect(await said(segment, { headers: { Range: 'bytes=1000-' } })).toBe('416 range_not_satisfiable');
    const preflight = await get(segment, { method: 'OPTIONS' });
    expect([preflight.status, preflight.headers.get('Access-Control-Allow-Methods')]).toEqual([
      204,
      'GET, HEAD, OPTIONS',
    ]);
    expect(await said(segment, { method: 'POST' })).toBe('405 method_not_allowed');
  });

  test('shows another etag at its place for every generation, even of the same words', async () => {
    const video = await shown();
    const first = (await get(`${video.place}master.m3u8`)).headers.get('ETag')!;
    const again = await get(`${video.place}master.m3u8`, { headers: { 'If-None-Match': first } });
    expect(again.status).toBe(304);
    const next = await published(video);
    later();
    const moved = await get(`${video.place}master.m3u8`, { headers: { 'If-None-Match': first } });
    expect(moved.status).toBe(200);
    expect(await moved.text()).toContain(`${next.jobId}/stream_240p.m3u8`);
    // Whoever has begun with the one before goes on.
    expect(await said(`${video.place}${video.jobId}/stream_240p_000.m4s`)).toBe('200');
  });

  test('has the manifests of its newest revision', async () => {
    const video = await shown();
    const { jobId } = await published(video, { revision: 2 });
    const master = await (await get(`${video.place}master.m3u8`)).text();
    expect(master.replaceAll(`${jobId}/`, '')).toBe(`${MASTER}# two\n`);
  });

  test('is found by its own id too, which no content id of others takes away', async () => {
    const video = await shown();
    const other = await shown({ contentId: video.id });
    const master = await (await get(`/hls/movies/${video.id}/master.m3u8`)).text();
    expect(master).toContain(video.jobId);
    expect(master).not.toContain(other.jobId);
    expect(await said(`/hls/movies/${video.id}/${video.jobId}/stream_240p_000.m4s`)).toBe('200');
    expect(await said(`/hls/videos/${video.id}/master.m3u8`)).toBe('404 not_found');
  });

  test('goes on for who plays it when its owner uploads the title anew', async () => {
    const old = await shown();
    const { jobId } = await shown({ ownerId: old.ownerId, contentId: old.contentId });
    const master = await (await get(`${old.place}master.m3u8`)).text();
    expect(master).toContain(jobId);
    expect(await said(`${old.place}${old.jobId}/stream_240p_000.m4s`)).toBe('200');
  });

  test('is watched while it grows, until its copy is given up', async () => {
    const video = await shown();
    const prefix = instantPrefix(generationPrefix('movie', video.contentId, crypto.randomUUID()));
    const name = prefix.split('/').at(-2);
    await env.MEDIA.put(`${prefix}stream_240p_000.m4s`, bytesOf(10));
    await env.DB.prepare(
      `INSERT INTO growths (prefix, job_id, video_id, kind, shown, shown_at, drip_seconds) VALUES (?, 'j', ?, 'instant', 1, 1, 1)`,
    )
      .bind(prefix, video.id)
      .run();
    expect(await said(`${video.place}${name}/stream_240p_000.m4s`)).toBe('200');
    await env.DB.prepare('UPDATE growths SET closed_at = 1 WHERE prefix = ?').bind(prefix).run();
    later();
    expect(await said(`${video.place}${name}/stream_240p_000.m4s`)).toBe('404 not_found');
  });

  test('keeps to its regions', async () => {
    const { place, jobId } = await shown({ regions: ['DE'] });
    const ask = deployment();
    const segment = `${place}${jobId}/stream_240p_000.m4s`;
    for (const path of [`${place}master.m3u8`, segment]) {
      const there = await ask(ANYONE, 'GET', path, { country: 'DE' });
      expect(there.status).toBe(200);
      expect(there.headers.get('Cache-Control')).toMatch(/^private, /);
      expect(await outcome(await ask(ANYONE, 'GET', path, { country: 'FR' }))).toBe(
        '403 playback_region_refused',
      );
      expect(await outcome(await ask(ANYONE, 'GET', path))).toBe('403 playback_region_refused');
    }
    const open = deployment({ REGION_UNKNOWN: 'allow' });
    expect((await open(ANYONE, 'GET', segment)).status).toBe(200);
  });
});

describe('the library', () => {
  test('names the places of a public video, and none of a private one', async () => {
    const video = await shown();
    const headers = await bearer(video.ownerId, 'uploader');
    const read = async () => (await (await get(`/v1/videos/${video.id}`, { headers })).json()) as object;
    const place = `${ORIGIN}${video.place}`;
    const urls = {
      hlsUrl: `${place}master.m3u8`,
      dashUrl: `${place}manifest.mpd`,
      posterUrl: `${place}${video.jobId}/poster.jpg`,
    };
    expect(await read()).toMatchObject(urls);
    await env.DB.prepare(`UPDATE videos SET visibility = 'private' WHERE id = ?`).bind(video.id).run();
    for (const name of Object.keys(urls)) expect(await read()).not.toHaveProperty(name);
  });
});

describe('what is not public', () => {
  test('is not there, and looks like what never was', async () => {
    const [open, hidden] = [await shown(), await shown({ visibility: 'private' })];
    const names = (video: Shown) => [
      `${video.place}master.m3u8`,
      `${video.place}${video.jobId}/stream_240p_000.m4s`,
    ];
    for (const path of names(open)) expect(await said(path)).toBe('200');
    const told = async (path: string) => {
      const answer = await get(path);
      const { requestId: _, ...problem } = (await answer.json()) as { requestId: string };
      return { status: answer.status, problem, cache: answer.headers.get('Cache-Control') };
    };
    const never = await told('/hls/movies/never-was/master.m3u8');
    expect(never).toMatchObject({ status: 404, problem: { code: 'not_found' }, cache: 'no-store' });
    for (const path of names(hidden)) expect(await told(path)).toEqual(never);
    expect(await told(`${open.place}${hidden.jobId}/stream_240p_000.m4s`)).toEqual(never);
    expect(await told(`${hidden.place}${open.jobId}/stream_240p_000.m4s`)).toEqual(never);
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(await told(`${open.place}${name}/stream_240p_000.m4s`)).toEqual(never);
    }
  });

  test.each([
    ['certificate.json'],
    ['tracks.json'],
    ['key/0'],
    ['..%2fmaster.m3u8'],
    ['%73tream_240p_000.m4s'],
    ['stream_240p_000.m4s/'],
    [''],
  ])('is not there below a public generation either: %s', async (name) => {
    const { place, jobId } = await shown();
    expect(await said(`${place}${jobId}/${name}`)).toMatch(/^404 not_found$/);
    expect(await said(`${place}${jobId}/stream_240p_000.m4s`)).toBe('200');
  });

  test('is gone five seconds after its owner says so, and back as fast', async () => {
    const video = await shown();
    const headers = await bearer(video.ownerId, 'uploader');
    const segment = `${video.place}${video.jobId}/stream_240p_000.m4s`;
    const becomes = async (visibility: string) => {
      const body = JSON.stringify({ visibility });
      expect((await get(`/v1/videos/${video.id}`, { method: 'PATCH', headers, body })).status).toBe(200);
    };
    expect(await said(segment)).toBe('200');
    await becomes('private');
    later();
    expect(await said(segment)).toBe('404 not_found');
    expect(await said(`${video.place}master.m3u8`)).toBe('404 not_found');
    await becomes('public');
    later();
    expect(await said(segment)).toBe('200');
  });

  test('is gone five seconds after it is deleted', async () => {
    const video = await shown();
    const headers = await bearer(video.ownerId, 'uploader');
    const segment = `${video.place}${video.jobId}/stream_240p_000.m4s`;
    expect(await said(segment)).toBe('200');
    expect((await get(`/v1/videos/${video.id}`, { method: 'DELETE', headers })).status).toBe(204);
    later();
    expect(await said(segment)).toBe('404 not_found');
    expect(await said(`${video.place}master.m3u8`)).toBe('404 not_found');
  });

  test('is what is protected, whatever its visibility says', async () => {
    // Made public while a protected generation of it was at work, which is published afterwards.
    const video = await shown();
    const { jobId } = await published(video, { protection: 'aes-128' });
    await giveKey(jobId);
    expect(await said(`${video.place}master.m3u8`)).toBe('404 not_found');
    expect(await said(`${video.place}${jobId}/stream_240p_000.m4s`)).toBe('404 not_found');

    // Keys alone are enough, whatever else is said of the job.
    const keyed = await shown();
    expect(await said(`${keyed.place}${keyed.jobId}/stream_240p_000.m4s`)).toBe('200');
    await giveKey(keyed.jobId);
    later();
    expect(await said(`${keyed.place}${keyed.jobId}/stream_240p_000.m4s`)).toBe('404 not_found');
    expect(await said(`${keyed.place}master.m3u8`)).toBe('404 not_found');

    // And so is the video's own word, for generations that were clear.
    const said404 = await shown();
    await env.DB.prepare(`UPDATE videos SET protection = 'cenc' WHERE id = ?`).bind(said404.id).run();
    expect(await said(`${said404.place}${said404.jobId}/stream_240p_000.m4s`)).toBe('404 not_found');
  });
});

describe('a place', () => {
  const sources = (db: D1Database, nowMs: number) => ({
    ...{ db, cache: caches.default, log: createLog(), nowMs },
    waitUntil: (work: Promise<unknown>) => void work,
  });

  test('is looked up once in five seconds, however much is asked of it', async () => {
    const { contentId: id } = await shown();
    let reads = 0;
    const counting = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (all: D1PreparedStatement[]) => {
        reads++;
        return env.DB.batch(all);
      },
    } as D1Database;
    const startMs = Date.now();
    const at = (ageMs: number) => publicPlace({ kind: 'movie', id }, sources(counting, startMs + ageMs));
    for (const ageMs of [0, 1, 2000, 4999]) expect((await at(ageMs))?.current).toBeDefined();
    expect(reads).toBe(1);
    await at(5000);
    expect(reads).toBe(2);
  });

  test('is looked up by indexes alone', async () => {
    const { contentId: id } = await shown();
    const statements: string[] = [];
    const watched = {
      prepare: (sql: string) => {
        statements.push(sql);
        return env.DB.prepare(sql);
      },
      batch: (all: D1PreparedStatement[]) => env.DB.batch(all),
    } as D1Database;
    await publicPlace({ kind: 'movie', id }, sources(watched, Date.now()));
    expect(statements.length).toBeGreaterThan(1);
    for (const sql of statements) {
      const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .bind('movie', id)
        .all<{ detail: string }>();
      // What the statement has put together itself is a few rows.
      const scans = results.filter(({ detail }) => /^SCAN (?!(?:shown|s|kept|main|m)\b)/.test(detail));
      expect(scans).toEqual([]);
    }
  });

  test('is still known while D1 is away', async () => {
    const { contentId: id } = await shown();
    const startMs = Date.now();
    const away = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: () => Promise.reject(new Error('D1 is away')),
    } as unknown as D1Database;
    const known = await publicPlace({ kind: 'movie', id }, sources(env.DB, startMs));
    expect(await publicPlace({ kind: 'movie', id }, sources(away, startMs + 60_000))).toEqual(known);
    await expect(publicPlace({ kind: 'movie', id: 'unknown' }, sources(away, startMs))).rejects.toThrow(
      'away',
    );
  });
});

describe('a second media host', () => {
  const HOST = 'https://other.example';
  const ask = deployment({ MEDIA_FALLBACK_URL: HOST } satisfies Partial<Env>);

  test('is named in the manifests of a public place, right after the first', async () => {
    const { place, jobId } = await shown();
    const master = await (await ask(ANYONE, 'GET', `${place}master.m3u8`)).text();
    const base = `${HOST}${place}${jobId}/`;
    const lines = master.split('\n');
    const variants = lines.flatMap((line, at) =>
      line.startsWith('#EXT-X-STREAM-INF:') ? [[line, lines[at + 1]!] as const] : [],
    );
    expect(variants).toHaveLength(6);
    for (let at = 0; at < variants.length; at += 2) {
      const [[first, uri], [second, otherUri]] = [variants[at]!, variants[at + 1]!];
      expect(second).toBe(
        first.replace('AUDIO="audio"', 'AUDIO="audio-2"').replace('PATHWAY-ID="1"', 'PATHWAY-ID="2"'),
      );
      expect(otherUri).toBe(base + uri.slice(jobId.length + 1));
    }
    expect(master).toContain('GROUP-ID="audio-2"');
    expect(master).toContain(`URI="${base}audio_en.m3u8"`);
    const mpd = await (await ask(ANYONE, 'GET', `${place}manifest.mpd`)).text();
    expect(
      [...mpd.matchAll(/<BaseURL[^>]*dvb:priority="(\d)"[^>]*>([^<]*)</g)].map((hit) => hit.slice(1)),
    ).toEqual([
      ['1', `${jobId}/`],
      ['2', base],
    ]);
    expect(await (await get(`${place}master.m3u8`)).text()).not.toContain(HOST);
  });
});
