import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, expect, it } from 'vitest';
import { type Api, apiAt, type Json } from '../support/api.ts';
import { unlessGone } from '../support/unless-gone.ts';

// From what viewers watch to what one of them is shown next, through the queue, a training and the model in R2; and
// what is left of a viewer who is forgotten.

export type Stage = { admin: Api; stateFolder: string };

const ANNA = 'viewer-anna-lindqvist';
/** Watch the first two films; twice as many others watch the third alone. */
const FANS = ['viewer-bo', 'viewer-cai', 'viewer-dag', 'viewer-eli'].map((name) => `${name}-lindqvist`);
const OTHERS = Array.from({ length: 8 }, (_, number) => `viewer-${number}-other`);
const WAIT = { timeout: 90_000, interval: 250 };

/** The tests of this story, on a stack that has at least three ready videos and that somebody else stops. */
export function tellRecommendations(stage: () => Stage): void {
  let server: Api;
  let films: Json[];
  let viewsBefore: number[];

  const views = () =>
    Promise.all(films.map(async ({ id }) => (await server.call(`/v1/videos/${id}/analytics`)).views));
  const recommended = (viewer: string) => server.call(`/v1/viewers/${viewer}/recommendations`);

  beforeAll(async () => {
    const { admin } = stage();
    const { key } = await admin.call('/v1/api-keys', {
      method: 'POST',
      json: { name: 'app', role: 'uploader' },
    });
    server = apiAt(admin.url, key);
    const { videos } = await server.call('/v1/videos?state=ready');
    films = videos.slice(0, 3);
    viewsBefore = await views();
    const [first, second, third] = films.map(({ id }) => id);
    await Promise.all([
      ...[ANNA, ...FANS].map((viewer) => watchWhole(server, first, viewer)),
      ...FANS.map((viewer) => watchWhole(server, second, viewer)),
      ...OTHERS.map((viewer) => watchWhole(server, third, viewer)),
    ]);
  });

  it('counts each viewing once, though it is told twice', async () => {
    const more = async () => (await views()).map((count, film) => count - viewsBefore[film]!);
    await expect.poll(more, WAIT).toEqual([1 + FANS.length, FANS.length, OTHERS.length]);
  });

  it('recommends by a model that the transcoder has trained, and says why', async () => {
    // The cron may have asked for a training of its own just now.
    let run: Json = {};
    const asked = async () => {
      const response = await server.request('/v1/recommendations/runs', { method: 'POST', json: {} });
      run = (await response.json()) as Json;
      return response.status;
    };
    await expect.poll(asked, WAIT).toBe(202);
    const state = async () => (await server.call(`/v1/recommendations/runs/${run.runId}`)).state;
    await expect.poll(state, WAIT).toBe('succeeded');

    const answer = await recommended(ANNA);
    expect(answer).toMatchObject({ model: run.runId, isPersonal: true });
    const [first, second] = films;
    expect(answer.recommendations[0]).toMatchObject({
      videoId: second!.id,
      why: { because: [{ videoId: first!.id, title: first!.title }] },
    });
    expect(answer.recommendations.map(({ videoId }: Json) => videoId)).not.toContain(first!.id);
    // Someone new is shown what most have watched.
    const unknown = await recommended('viewer-new');
    expect(unknown).toMatchObject({ isPersonal: false });
    expect(unknown.recommendations[0]).toMatchObject({
      videoId: films[2]!.id,
      why: { reason: 'trending', because: [] },
    });
  });

  it('leaves nothing of a viewer who is forgotten, in D1 or in R2', async () => {
    const { stateFolder } = stage();
    // The ranking is kept after the answer.
    await expect.poll(() => rowsNaming(ANNA, stateFolder), WAIT).toContain('viewer_rankings');
    expect(await objectsNaming('lindqvist', stateFolder)).toEqual([]);
    const { status } = await server.request(`/v1/viewers/${ANNA}`, { method: 'DELETE' });
    expect(status).toBe(204);
    expect(await rowsNaming(ANNA, stateFolder)).toEqual([]);
    expect(await rowsNaming(FANS[0]!, stateFolder)).toContain('watch_sessions');
    expect(await recommended(ANNA)).toMatchObject({ isPersonal: false });
    // What all have watched together stays counted.
    expect((await views())[0]).toBe(viewsBefore[0]! + 1 + FANS.length);
  });
}

/** Plays and tells of it, each message twice, as players with a bad line do. */
async function watchWhole(server: Api, videoId: string, viewerId: string): Promise<void> {
  const { sessionId } = await server.call(`/v1/videos/${videoId}/play`, {
    method: 'POST',
    json: { viewerId },
  });
  const { durationSeconds } = await server.call(`/v1/videos/${videoId}`);
  const steps = Math.ceil(durationSeconds / 10);
  const events = Array.from({ length: steps }, (_, seq) => {
    const positionSeconds = Math.min(durationSeconds, (seq + 1) * 10);
    const playedSeconds = positionSeconds - seq * 10;
    return { seq, type: 'progress', positionSeconds, playedSeconds, atMs: Date.now() };
  });
  const told = { method: 'POST', json: { sessionId, events } };
  for (let time = 0; time < 2; time++) await server.call('/v1/watch', told);
}

/** Tables of all databases (D1, Durable Objects, R2's own) with a row in which the name stands. */
async function rowsNaming(name: string, stateFolder: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of await filesIn(stateFolder)) {
    if (!path.endsWith('.sqlite')) continue;
    using database = new DatabaseSync(path, { readOnly: true, timeout: 30_000 });
    const tables = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all();
    for (const { name: table } of tables) {
      const every = database.prepare(`SELECT * FROM "${table}"`);
      every.setReadBigInts(true);
      const rows = every.all();
      if (rows.some((row) => Object.values(row).some((value) => String(value).includes(name))))
        found.push(String(table));
    }
  }
  return found;
}

/** Objects of up to a megabyte, as exports and models are here. */
async function objectsNaming(name: string, stateFolder: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of await filesIn(join(stateFolder, 'v3', 'r2'))) {
    if (path.includes('.sqlite')) continue;
    const { size = 0 } = (await stat(path).catch(unlessGone)) ?? {};
    if (size <= 1_000_000 && (await readFile(path).catch(unlessGone))?.includes(name)) found.push(path);
  }
  return found;
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
