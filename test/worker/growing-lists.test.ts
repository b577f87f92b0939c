import { SELF } from 'cloudflare:test';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { audioFactsKey, initName, planKey, workPrefix } from '../../shared/object-keys.ts';
import { removeStaleGenerations } from '../../worker/jobs/stale-generations.ts';
import {
  claimTask,
  commitTo,
  type GrowingJob,
  growingJob,
  growthRow,
  list,
  play,
  post,
  shown,
  shownFor,
  textOf,
} from './growing-fixtures.ts';
import {
  call,
  clearTasks,
  env,
  finishTask,
  jobRow,
  log,
  mustClaim,
  PRESENTATION,
  refusalOf,
  told,
  videoRow,
} from './ledger-fixtures.ts';

// What a player is given of a video that is being made, from its first segments to the finished ladder.

beforeEach(clearTasks);

/** A job of ten segments, three of them done, and its play answer. */
async function announced(options: { hasAudio?: boolean } = {}) {
  const job = await growingJob(10, options);
  const sound = options.hasAudio ? await claimTask('audio:0') : undefined;
  if (sound) await commitTo(sound, 0, 5);
  await finishTask(await claimTask('chunk:0'), 1);
  await finishTask(await claimTask('chunk:1'), 2);
  await vi.waitFor(async () => expect((await videoRow(job)).state).toBe('playable'), { timeout: 20_000 });
  return { job, sound, answer: await play(job) };
}

async function finishChunks(job: GrowingJob, first: number): Promise<void> {
  for (const chunk of job.plan.chunks.slice(first)) {
    await finishTask(await claimTask(`chunk:${chunk.index}`), chunk.segmentCount);
  }
}

describe('playing a video that grows', () => {
  it('is offered HLS alone, for as long as the plan says that it lasts', async () => {
    const { answer, job } = await announced();
    expect(answer).toMatchObject({ status: 200, hls: expect.stringContaining(job.prefix) });
    expect(Object.keys(answer).sort()).toEqual(['expiresAt', 'hls', 'sessionId', 'status']);
    const lastsSeconds = (Date.parse(String(answer.expiresAt)) - Date.now()) / 1000;
    expect(Math.round(lastsSeconds / 10)).toBe((60 * 1.5 + 600) / 10);
  });

  it('has a master from plan and init segments, and a list per track, which nobody may keep', async () => {
    const { answer } = await announced({ hasAudio: true });
    const master = await list(answer.hls, 'master.m3u8');
    expect(master.status).toBe(200);
    expect(master.headers.get('Cache-Control')).toContain('no-cache');
    expect(master.headers.get('Cache-Control')).not.toContain('immutable');
    expect(master.headers.get('Content-Type')).toBe('application/vnd.apple.mpegurl');
    const text = await textOf(master);
    expect(text).toContain('CODECS="avc1.64001e,mp4a.40.2"');
    expect(text).toContain('RESOLUTION=640x360');
    expect(text.match(/^stream_\d+p\.m3u8$/gm)).toHaveLength(2);

    const media = await textOf(await list(answer.hls, 'stream_360p.m3u8'));
    expect(media).toContain('#EXT-X-PLAYLIST-TYPE:EVENT');
    expect(media).toContain('#EXT-X-START:TIME-OFFSET=0,PRECISE=YES');
    expect(await shown(answer.hls, 'stream_360p.m3u8')).toBe('3');
    // 282 AAC frames come nearest to 6 s behind the hidden one, then 281 of 1024 samples.
    const sound = await textOf(await list(answer.hls, 'audio_en.m3u8'));
    expect(sound.match(/#EXTINF:[\d.]+/g)).toEqual([
      '#EXTINF:6.016000',
      '#EXTINF:6.016000',
      '#EXTINF:5.994667',
    ]);
  });

  it('leaves out sound that turned out to be none', async () => {
    const job = await growingJob(10, { hasAudio: true });
    const sound = await claimTask('audio:0');
    const facts = { version: 1, tracks: [], dropped: 'audio_en' };
    await env.MEDIA.put(audioFactsKey(job.jobId, 0), JSON.stringify(facts));
    await env.MEDIA.delete(job.prefix + initName('audio_en'));
    await finishTask(sound, 0);
    await finishTask(await claimTask('chunk:0'), 1);
    await finishTask(await claimTask('chunk:1'), 2);
    await vi.waitFor(async () => expect((await videoRow(job)).state).toBe('playable'), { timeout: 20_000 });
    const { hls } = await play(job);
    const master = await textOf(await list(hls, 'master.m3u8'));
    expect(master).toContain('CODECS="avc1.64001e"');
    expect(master).not.toContain('audio');
    expect(await shown(hls, 'stream_360p.m3u8')).toBe('3');
  });

  it.each([
    ['a list of the plan', 'stream_240p.m3u8', '3'],
    ['a list that the plan does not have', 'stream_720p.m3u8', '404 not_found'],
    ['an MPD', 'manifest.mpd', '404 not_found'],
  ])('finds %s: %s, %s', async (_title, name, outcome) => {
    const { answer } = await announced();
    expect(await shown(answer.hls, name)).toBe(outcome);
  });

  it('answers a request for what it has already with 304, until there is more', async () => {
    const { answer, job } = await announced();
    await commitTo(await claimTask('chunk:2'), 0, 2);
    await shownFor(job.prefix, 0);
    const first = await list(answer.hls, 'stream_240p.m3u8');
    const headers = { 'If-None-Match': first.headers.get('ETag')! };
    expect((await list(answer.hls, 'stream_240p.m3u8', { headers })).status).toBe(304);
    await shownFor(job.prefix, 5);
    expect((await list(answer.hls, 'stream_240p.m3u8', { headers })).status).toBe(200);
  });

  it('keeps a capped viewer below the cap', async () => {
    const { job } = await announced();
    const capped = await play(job, { maxHeight: 240 });
    const master = await textOf(await list(capped.hls, 'master.m3u8'));
    expect(master.match(/^stream_\d+p\.m3u8$/gm)).toEqual(['stream_240p.m3u8']);
    expect(await shown(capped.hls, 'stream_240p.m3u8')).toBe('3');
    expect(await shown(capped.hls, 'stream_360p.m3u8')).toBe('403 playback_outside_token');
  });

  it('lets its job go before others', async () => {
    const { answer, job } = await announced();
    expect((await jobRow(job)).watched_until).toBe(0);
    await list(answer.hls, 'stream_240p.m3u8');
    await vi.waitFor(async () => expect(Number((await jobRow(job)).watched_until)).toBeGreaterThan(0), {
      timeout: 20_000,
    });
  });

  it('does not look for segments in D1, nor remember that one was missing', async () => {
    const { answer, job } = await announced();
    const name = 'stream_240p_003.m4s';
    expect((await list(answer.hls, name)).status).toBe(404);
    await env.MEDIA.put(job.prefix + name, new Uint8Array(10));
    const segment = await list(answer.hls, name);
    expect(segment.status).toBe(200);
    expect(segment.headers.get('Cache-Control')).toContain('immutable');
  });
});

describe('a list that grows', () => {
  it('shows one more segment each 4.8 s while there are any, the same on every track', async () => {
    const { answer, job, sound } = await announced({ hasAudio: true });
    await commitTo(sound!, 5, 7);
    await commitTo(await claimTask('chunk:2'), 0, 4);
    const seen: string[] = [];
    for (let step = 0; step < 5; step++) {
      await shownFor(job.prefix, 5 * step);
      const lists = ['stream_240p.m3u8', 'stream_360p.m3u8', 'audio_en.m3u8'];
      seen.push(...new Set(await Promise.all(lists.map((name) => shown(answer.hls, name)))));
    }
    // Seven pictures, but six of the sound for certain: the seventh may be its last.
    expect(seen).toEqual(['3', '4', '5', '6', '6']);
  });

  it('ends as soon as all of it is there, before it is ready', async () => {
    const { answer, job } = await announced();
    await finishChunks(job, 2);
    expect((await videoRow(job)).state).toBe('playable');
    expect(await shown(answer.hls, 'stream_240p.m3u8')).toBe('10 ended');
  });

  it('ends where a failed job has left it, and its session with a code', async () => {
    const { answer, job } = await announced();
    const chunk = await claimTask('chunk:2');
    await commitTo(chunk, 0, 1);
    const renewal = `/v1/sessions/${answer.sessionId}/renew`;
    expect((await post(job, renewal)).status).toBe(200);
    await told('fail', chunk.jobToken, { kind: 'media', code: 'media_malformed', detail: 'Damaged.' });
    expect(await shown(answer.hls, 'stream_240p.m3u8')).toBe('4 ended');
    const refused = await post(job, renewal);
    expect(refused.status).toBe(410);
    expect(await refusalOf(refused)).toBe('playback_generation_failed');
    expect(await play(job)).toMatchObject({ status: 409, code: 'video_not_playable' });
    expect((await videoRow(job)).state).toBe('failed');
  });

  it('ends likewise where the job is cancelled', async () => {
    const { answer, job } = await announced();
    expect((await call(job.ownerId, 'POST', `/v1/jobs/${job.jobId}/cancel`)).status).toBe(200);
    expect(await shown(answer.hls, 'stream_240p.m3u8')).toBe('3 ended');
    expect((await videoRow(job)).state).toBe('failed');
  });
});

describe('when the ladder is finished', () => {
  /** Publishes the announced job with the playlists that its transcoder would have put. */
  async function finished() {
    const { answer, job } = await announced();
    await finishChunks(job, 2);
    const held = await mustClaim();
    await env.MEDIA.put(`${job.prefix}master.m3u8`, '#EXTM3U\n#finished\n');
    await env.MEDIA.put(`${job.prefix}stream_240p.m3u8`, '#EXTM3U\n#finished\n#EXT-X-ENDLIST\n');
    await env.MEDIA.put(`${job.prefix}manifest.mpd`, '<MPD/>');
    await told('publish', held.jobToken, { presentation: PRESENTATION });
    return { answer, job };
  }

  it('its lists take the place of the growing ones, for the sessions there are', async () => {
    const { answer, job } = await finished();
    const response = await list(answer.hls, 'stream_240p.m3u8');
    expect(response.headers.get('Cache-Control')).toContain('immutable');
    expect(await textOf(response)).toContain('#finished');
    const renewed = await (await post(job, `/v1/sessions/${answer.sessionId}/renew`)).json<object>();
    expect(renewed).toMatchObject({ hls: expect.stringContaining(job.prefix), dash: expect.any(String) });
  });

  it('all its lists are found, though one that it has not got was asked for a moment ago', async () => {
    const { job } = await finished();
    await env.MEDIA.put(`${job.prefix}subtitles_de_r1.m3u8`, '#EXTM3U\n#finished\n#EXT-X-ENDLIST\n');
    const { hls } = await play(job);
    expect(await shown(hls, 'stream_999p.m3u8')).toBe('404 not_found');
    for (const name of ['subtitles_de_r1.m3u8', 'master.m3u8']) {
      const response = await SELF.fetch(new URL(name, String(hls)).href);
      expect(await textOf(response as unknown as Response)).toContain('#finished');
    }
  });

  it('a session that begins at that very moment finds its revised manifests', async () => {
    const { answer, job } = await announced();
    await env.MEDIA.put(`${job.prefix}master_r1.m3u8`, '#EXTM3U\n#finished\n');
    expect(await shown(answer.hls, 'stream_240p.m3u8')).toBe('3');
    const response = await SELF.fetch(new URL('master_r1.m3u8', String(answer.hls)).href);
    expect(await textOf(response as unknown as Response)).toContain('#finished');
  });

  it('a session on the copy stays there, with HLS alone, and new ones get the ladder', async () => {
    const job = await growingJob(1, { instantSegments: 3 });
    await finishTask(await claimTask('instant'), 3);
    await vi.waitFor(async () => expect((await videoRow(job)).state).toBe('playable'), { timeout: 20_000 });
    const before = await play(job);
    expect(await shown(before.hls, 'stream_360p.m3u8')).toBe('3 ended');
    await finishTask(await claimTask('chunk:0'), 1);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
    expect(await shown(before.hls, 'stream_360p.m3u8')).toBe('3 ended');
    const renewed = await (await post(job, `/v1/sessions/${before.sessionId}/renew`)).json<object>();
    expect(renewed).toMatchObject({ hls: expect.stringContaining(job.copyPrefix) });
    expect(Object.keys(renewed)).not.toContain('dash');
    expect(Object.keys(renewed)).not.toContain('poster');
    expect(await play(job)).toMatchObject({
      hls: expect.stringContaining(job.prefix),
      dash: expect.any(String),
      poster: expect.any(String),
    });
  });
});

describe('objects that no new session is given', () => {
  const due = (job: GrowingJob) =>
    env.DB.prepare('UPDATE stale_generations SET due_at = 0 WHERE job_id = ?').bind(job.jobId).run();
  const exists = async (key: string) => (await env.MEDIA.head(key)) !== null;

  it('go when they are due and the last session on them is over', async () => {
    const job = await growingJob(1, { instantSegments: 3 });
    await env.MEDIA.put(`${job.copyPrefix}stream_360p_000.m4s`, 'copy');
    await env.MEDIA.put(`${job.prefix}stream_360p_000.m4s`, 'ladder');
    await finishTask(await claimTask('instant'), 3);
    await vi.waitFor(async () => expect((await videoRow(job)).state).toBe('playable'), { timeout: 20_000 });
    const session = await play(job);
    await finishTask(await claimTask('chunk:0'), 1);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });

    expect(await removeStaleGenerations(env, log)).toBe(0); // nobody's token is that old yet
    await due(job);
    expect(await removeStaleGenerations(env, log)).toBe(0); // somebody is on it
    expect(await exists(`${job.copyPrefix}stream_360p_000.m4s`)).toBe(true);
    await env.DB.prepare('UPDATE sessions SET expires_at = unixepoch() - 1 WHERE id = ?')
      .bind(session.sessionId)
      .run();
    await due(job);
    expect(await removeStaleGenerations(env, log)).toBe(1);
    expect(await exists(`${job.copyPrefix}stream_360p_000.m4s`)).toBe(false);
    expect(await exists(`${job.prefix}stream_360p_000.m4s`)).toBe(true);
    expect(await growthRow(job.copyPrefix)).toBeNull();
    const renewal = await post(job, `/v1/sessions/${session.sessionId}/renew`);
    expect(await refusalOf(renewal)).toBe('playback_session_revoked');
  });

  it('are an older ladder and what a failed job has left, never what is published', async () => {
    const first = await growingJob(1);
    await env.MEDIA.put(`${first.prefix}poster.jpg`, 'first');
    await finishTask(await mustClaim(), 1);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
    const failing = await growingJob(1, { of: first });
    await env.MEDIA.put(`${failing.prefix}poster.jpg`, 'failing');
    const chunk = await mustClaim();
    await told('fail', chunk.jobToken, { kind: 'media', code: 'media_malformed', detail: 'Damaged.' });
    const latest = await growingJob(1, { of: first });
    await env.MEDIA.put(`${latest.prefix}poster.jpg`, 'latest');
    await finishTask(await mustClaim(), 1);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });

    const tiles = [first, failing, latest].map((job) => `${workPrefix(job.jobId)}tiles_0.mjpg`);
    for (const key of tiles) await env.MEDIA.put(key, 'tiles');
    for (const job of [first, failing, latest]) await due(job);
    await removeStaleGenerations(env, log);
    const left = await Promise.all([first, failing, latest].map((job) => exists(`${job.prefix}poster.jpg`)));
    expect(left).toEqual([false, false, true]);
    expect(await Promise.all(tiles.map(exists))).toEqual([false, false, true]);
    const rows = await env.DB.prepare('SELECT count(*) AS n FROM stale_generations WHERE due_at = 0').first();
    expect(rows).toEqual({ n: 0 });
  });

  it('are what a failed job has left of its ladder, not the copy that plays nor what its lists are made of', async () => {
    const job = await growingJob(10, { instantSegments: 3 });
    await finishTask(await claimTask('instant'), 3);
    await vi.waitFor(
      async () => expect((await growthRow(job.copyPrefix))?.completed_at ?? null).not.toBeNull(),
      { timeout: 20_000 },
    );
    const chunk = await claimTask('chunk:0');
    await told('fail', chunk.jobToken, { kind: 'media', code: 'encode_failed', detail: 'It broke.' });
    await due(job);
    expect(await removeStaleGenerations(env, log)).toBe(1);
    expect(await exists(job.prefix + initName('stream_360p'))).toBe(false);
    expect(await exists(planKey(job.jobId))).toBe(true);
    expect(await shown((await play(job)).hls, 'stream_360p.m3u8')).toBe('3 ended');
  });

  it('go with the video', async () => {
    const { job } = await announced();
    await env.MEDIA.put(`${job.copyPrefix}stream_360p_000.m4s`, 'copy');
    await told('release', (await claimTask('chunk:2')).jobToken);
    await call(job.ownerId, 'DELETE', `/v1/videos/${job.videoId}`);
    const keys = [`${job.copyPrefix}stream_360p_000.m4s`, `${job.prefix}stream_240p_init.mp4`];
    await vi.waitFor(async () => expect(await Promise.all(keys.map(exists))).toEqual([false, false]), {
      timeout: 20_000,
    });
  });
});
