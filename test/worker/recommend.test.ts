import { env } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import type { Recommendations } from '../../shared/recommend-api.ts';
import type { ModelSummary } from '../../shared/recommend-model.ts';
import { type Client, clientOf } from './api-client.ts';
import { deployment, person, server } from './playback-callers.ts';
import { outcome } from './playback-fixtures.ts';
import { addVideo, publishTasteModel, type VideoChoices, watch } from './recommend-fixtures.ts';

const SPACE = 0;
const COOKING = 1;
const VIEWER = 'anna';

async function asked(client: Client, query = '', viewer = VIEWER): Promise<Recommendations> {
  const path = `/v1/viewers/${viewer}/recommendations${query}`;
  return client.json<Recommendations>(200, 'GET', path);
}

const idsOf = ({ recommendations }: Recommendations) => recommendations.map(({ videoId }) => videoId);

/** Ten videos of each of two tastes; anna has watched two of the first. */
async function library(options: { hasFactors?: boolean; ranking?: ModelSummary['ranking'] } = {}) {
  const client = await clientOf();
  const { ownerId } = client;
  const add = (choices: VideoChoices) => addVideo(ownerId, choices);
  const many = (title: string) =>
    Promise.all(Array.from({ length: 10 }, (_, n) => add({ title: `${title} ${n}` })));
  const space = await many('Space');
  const cooking = await many('Cooking');
  const tastes = Object.fromEntries([
    ...space.map((id) => [id, SPACE] as const),
    ...cooking.map((id) => [id, COOKING] as const),
  ]);
  const model = await publishTasteModel(ownerId, tastes, { ...options, top: [...cooking, ...space] });
  await watch(ownerId, VIEWER, space[0]!, 1, 50);
  await watch(ownerId, VIEWER, space[1]!, 0.9, 100);
  return { client, ownerId, space, cooking, tastes, model, add };
}

describe('recommendations', () => {
  test.each([
    { reason: 'watched', hasFactors: true, ranking: 'factors' },
    // A small library, and one too large for an isolate.
    { reason: 'similar', hasFactors: true, ranking: 'neighbours' },
    { reason: 'similar', hasFactors: false, ranking: 'neighbours' },
  ] as const)(
    'are of the taste of what was watched, and say why ($ranking, factors: $hasFactors)',
    async ({ reason, ...options }) => {
      const { client, space, model } = await library(options);
      const answer = await asked(client, '?limit=8');
      expect(idsOf(answer).sort()).toEqual(space.slice(2).sort());
      expect(answer).toMatchObject({ model: model.runId, isPersonal: true });
      for (const { why, score } of answer.recommendations) {
        expect(why.reason).toBe(reason);
        expect(why.because.length).toBeGreaterThan(0);
        for (const { videoId, title } of why.because) {
          expect(space.slice(0, 2)).toContain(videoId);
          expect(why.text).toContain(`“${title}”`);
        }
        expect(score).toBeGreaterThan(0);
        expect(score).toBeLessThanOrEqual(1);
      }
    },
  );

  test('claim no taste for what the model expects nothing of', async () => {
    const { client } = await library();
    const { recommendations } = await asked(client, '?limit=50');
    const [tasted, others] = [
      recommendations.filter(({ why }) => why.reason === 'watched'),
      recommendations.filter(({ why }) => why.reason === 'trending'),
    ];
    expect(tasted.length + others.length).toBe(18);
    expect(tasted.length).toBeGreaterThanOrEqual(8);
    expect(others.length).toBeGreaterThan(0);
    expect(tasted.filter(({ score }) => score <= 0)).toEqual([]);
  });

  test('follow what was watched a moment ago, without another training', async () => {
    const { client, ownerId, cooking } = await library();
    const before = await asked(client, '?limit=8');
    expect(idsOf(before).some((id) => cooking.includes(id))).toBe(false);
    for (const id of cooking.slice(0, 5)) await watch(ownerId, VIEWER, id, 1, 1);
    const after = await asked(client, '?limit=8');
    expect(idsOf(after).some((id) => cooking.slice(5).includes(id))).toBe(true);
    expect(idsOf(after).some((id) => cooking.slice(0, 5).includes(id))).toBe(false);
  });

  test('are kept for an hour while nothing was watched on, and made anew after', async () => {
    const { client, ownerId } = await library();
    const first = await asked(client);
    await expect.poll(() => keptRows(ownerId), { timeout: 20_000 }).toBe(1);
    const back = (seconds: number) =>
      env.DB.prepare('UPDATE viewer_rankings SET made_at = made_at - ? WHERE owner_id = ?')
        .bind(seconds, ownerId)
        .run();
    await back(3000);
    const kept = await asked(client);
    expect(Date.parse(kept.generatedAt)).toBeLessThanOrEqual(Date.parse(first.generatedAt) - 2_000_000);
    expect(idsOf(kept)).toEqual(idsOf(first));
    await back(1000);
    const anew = await asked(client);
    expect(Date.parse(anew.generatedAt)).toBeGreaterThanOrEqual(Date.parse(first.generatedAt));
  });

  test('of a new viewer are what is watched most', async () => {
    const { client, cooking } = await library();
    const answer = await asked(client, '?limit=3', 'nobody-yet');
    expect(idsOf(answer)).toEqual(cooking.slice(0, 3));
    expect(answer).toMatchObject({
      isPersonal: false,
      recommendations: [{ why: { reason: 'trending' } }, {}, {}],
    });
  });

  test('mix in a new video that shares tags with what was watched', async () => {
    const { client, ownerId, space, add } = await library();
    await env.DB.prepare(`UPDATE videos SET tags = '["stars"]' WHERE id = ?`).bind(space[0]!).run();
    const fresh = await add({ title: 'Fresh', tags: ['stars'], ageSeconds: 0 });
    const other = await add({ title: 'Other', tags: ['soup'], ageSeconds: 0 });
    const answer = await asked(client, '?limit=8');
    const found = answer.recommendations.find(({ videoId }) => videoId === fresh);
    expect(found?.why).toMatchObject({ reason: 'new', because: [{ videoId: space[0] }] });
    expect(idsOf(answer)).not.toContain(other);
    expect(ownerId).toBe(client.ownerId);
  });

  test('come by tags where no model has been trained, then by plays', async () => {
    const client = await clientOf();
    const watched = await addVideo(client.ownerId, { tags: ['stars', 'dark'] });
    const near = await addVideo(client.ownerId, { tags: ['stars'] });
    const nearer = await addVideo(client.ownerId, { tags: ['stars', 'dark'] });
    const played = await addVideo(client.ownerId, { ageSeconds: 9999 });
    const rest = await addVideo(client.ownerId);
    await env.DB.prepare('INSERT INTO video_popularity VALUES (?, 9, unixepoch())').bind(played).run();
    await watch(client.ownerId, VIEWER, watched);
    const answer = await asked(client);
    expect(idsOf(answer)).toEqual([nearer, near, played, rest]);
    expect(answer.model).toBeNull();
    expect(answer.recommendations.map(({ why }) => why.reason)).toEqual([
      'tags',
      'tags',
      'trending',
      'trending',
    ]);
  });

  test('go on without a model that cannot be read', async () => {
    const { client, model, space } = await library();
    await env.MEDIA.delete(`${model.prefix}model.json`);
    const answer = await asked(client);
    expect(answer.recommendations).toHaveLength(18);
    expect(idsOf(answer)).not.toContain(space[0]);
  });
});

describe('the rules', () => {
  // Each hides the video for one reason; the twin differs in it alone.
  test.each<[string, VideoChoices, VideoChoices, string]>([
    ['the country', { regions: ['FR'] }, { regions: ['DE', 'FR'] }, '?limit=50&country=DE'],
    ['a country nobody knows', { regions: ['FR'] }, {}, '?limit=50'],
    ['the kind', { kind: 'episode' }, { kind: 'movie' }, '?limit=50&kind=movie'],
    ['the visibility', { visibility: 'private' }, { visibility: 'public' }, '?limit=50&visibility=public'],
    ['nothing to play', { isPublished: false, state: 'processing' }, {}, '?limit=50'],
    ['being deleted', { state: 'deleting' }, { state: 'ready' }, '?limit=50'],
  ])('hide by %s and nothing else', async (_name, hidden, shown, query) => {
    const { ownerId, tastes, space } = await library();
    const [gone, twin] = [await addVideo(ownerId, hidden), await addVideo(ownerId, shown)];
    await publishTasteModel(ownerId, { ...tastes, [gone]: SPACE, [twin]: SPACE });
    await watch(ownerId, VIEWER, space[0]!);
    const call = deployment();
    const path = `/v1/viewers/${VIEWER}/recommendations${query}`;
    const answer = (await (await call(await server(ownerId), 'GET', path)).json()) as Recommendations;
    expect(idsOf(answer)).toContain(twin);
    expect(idsOf(answer)).not.toContain(gone);
  });

  test('hide at once what is deleted while the ranking is kept', async () => {
    const { client, ownerId } = await library();
    const [first] = idsOf(await asked(client));
    await expect.poll(() => keptRows(ownerId), { timeout: 20_000 }).toBe(1);
    await env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(first).run();
    expect(idsOf(await asked(client))).not.toContain(first);
  });

  test('show a video that was only looked at, and hide it once it was watched', async () => {
    const { client, ownerId, space } = await library();
    await watch(ownerId, VIEWER, space[5]!, 0.02);
    expect(idsOf(await asked(client))).toContain(space[5]);
    await watch(ownerId, VIEWER, space[5]!, 0.3);
    expect(idsOf(await asked(client))).not.toContain(space[5]);
  });

  test('show nobody the videos or the model of another library', async () => {
    const { space, cooking } = await library();
    const stranger = await clientOf();
    const own = await addVideo(stranger.ownerId);
    await watch(stranger.ownerId, VIEWER, space[0]!);
    expect(idsOf(await asked(stranger))).toEqual([own]);
    expect(cooking).toHaveLength(10);
  });
});

describe('who may ask', () => {
  const call = deployment();

  test.each([
    ['the viewer', 'anna', 'viewer', '200'],
    ['another viewer', 'ben', 'viewer', '404 not_found'],
    ['an admin', 'ben', 'admin', '200'],
  ] as const)('%s', async (_who, subject, role, expected) => {
    const { ownerId } = await library();
    const headers = await person(ownerId, subject, role);
    for (const [method, path, json] of [
      ['GET', '/recommendations', undefined],
      ['PATCH', '', { optOut: true }],
      ['DELETE', '', undefined],
    ] as const) {
      const answer = await outcome(
        await call(headers, method, `/v1/viewers/${VIEWER}${path}`, json && { json }),
      );
      expect(answer).toBe(method === 'DELETE' && expected === '200' ? '204' : expected);
    }
  });

  test.each([
    ['?limit=0', 'invalid_request'],
    ['?limit=51', 'invalid_request'],
    ['?limit=x', 'invalid_request'],
    ['?limit=50', 'status 200'],
    ['?kind=cinema', 'invalid_request'],
    ['?country=deu', 'invalid_request'],
    ['?country=DE', 'status 200'],
  ])('%s is answered with %s', async (query, expected) => {
    const client = await clientOf();
    expect(await client.code('GET', `/v1/viewers/${VIEWER}/recommendations${query}`)).toBe(expected);
  });
});

describe('opting out', () => {
  test('ends what is personal at once, and its undoing brings it back', async () => {
    const { client, ownerId, cooking, space } = await library();
    await asked(client);
    await expect.poll(() => keptRows(ownerId), { timeout: 20_000 }).toBe(1);
    const answer = await client.json(200, 'PATCH', `/v1/viewers/${VIEWER}`, { json: { optOut: true } });
    expect(answer).toEqual({ viewerId: VIEWER, optOut: true });
    expect(await keptRows(ownerId)).toBe(0);
    const impersonal = await asked(client, '?limit=20');
    expect(impersonal.isPersonal).toBe(false);
    expect(idsOf(impersonal).slice(0, 3)).toEqual(cooking.slice(0, 3));
    // Nor is it known any more what was watched.
    expect(idsOf(impersonal)).toContain(space[0]);
    await client.json(200, 'PATCH', `/v1/viewers/${VIEWER}`, { json: { optOut: false } });
    expect((await asked(client)).isPersonal).toBe(true);
  });

  test('needs a yes or a no', async () => {
    const client = await clientOf();
    const patch = (json: object) => client.code('PATCH', '/v1/viewers/x', { json });
    expect(await patch({ optOut: 'yes' })).toBe('invalid_request');
    expect(await patch({ optOut: true })).toBe('status 200');
  });
});

async function keptRows(ownerId: string): Promise<number> {
  const row = await env.DB.prepare('SELECT count(*) AS n FROM viewer_rankings WHERE owner_id = ?')
    .bind(ownerId)
    .first<{ n: number }>();
  return row!.n;
}
