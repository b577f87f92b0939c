import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiClient } from '../../transcoder/cli/api-client.ts';
import { openJournal } from '../../transcoder/migrate/journal.ts';
import { createMigrationClient } from '../../transcoder/migrate/migration-client.ts';
import { createPlaces } from '../../transcoder/migrate/places.ts';
import { planMigration } from '../../transcoder/migrate/plan-migration.ts';
import { readList } from '../../transcoder/migrate/read-list.ts';
import { summaryRows, writeReport } from '../../transcoder/migrate/report.ts';
import { type Ended, runMigration } from '../../transcoder/migrate/run-migration.ts';
import { API_URL, createMigrationWorld, LIBRARY_URL, problem } from '../support/migration-world.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-items-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

type World = ReturnType<typeof createMigrationWorld>;

const HASTE = { attempts: 2, patienceMs: 0, firstDelayMs: 1, maxDelayMs: 1 };
let journals = 0;
function newJournal(): string {
  journals += 1;
  return join(folder, `${journals}.jsonl`);
}

/** One run of the migrator, from its list to its end. */
async function run(world: World, rows: string[], path: string, again = false): Promise<Ended[]> {
  const signal = AbortSignal.timeout(20_000);
  const api = createApiClient(API_URL, 'token', { fetch: world.fetch, signal });
  const client = createMigrationClient(api, { signal, policy: HASTE });
  const places = createPlaces(client, undefined);
  const read = { signal, fetch: world.fetch, policy: HASTE };
  const { candidates } = readList('a.csv', rows.join('\n'));
  await using journal = await openJournal(path);
  const plan = await planMigration(candidates, { places, profile: {}, journal, read }, () => {});
  const context = {
    ...{ client, journal, places, read, migrationId: 'm', profile: {}, visibility: undefined, signal },
    retryDelaysMs: [1, 1],
  };
  const events = { onBegin: () => () => {}, onEnd: () => {} };
  return await runMigration(plan, context, { parallel: 2, again }, events);
}

const statesOf = (ends: Ended[]) => ends.map(({ outcome }) => outcome.state).toSorted();
class Killed extends Error {}

describe('an item', () => {
  it('is imported once, public at its stable place, compared, and reported', async () => {
    const world = createMigrationWorld();
    const [end] = await run(world, [`movie,1,${world.addFile('1.mp4')}?signature=geheim`], newJournal());
    expect(end?.outcome).toMatchObject({ state: 'done', attempts: 1, durationSeconds: 2 });
    expect(end?.outcome.checks?.map(({ name, isRight }) => [name, isRight])).toEqual([
      ...[
        ['certificate', true],
        ['duration', true],
        ['frames', true],
      ],
      ['audio', true],
    ]);
    const [video] = [...world.videos.values()];
    expect(video?.input).toMatchObject({ kind: 'movie', contentId: '1', visibility: 'public' });
    const [, summary = ''] = await writeReport(
      join(folder, 'r.jsonl'),
      { migrationId: 'm', name: 'n', seconds: 1 },
      [end!],
    );
    const text = (await readFile(join(folder, 'r.jsonl'), 'utf8')) + (await readFile(summary, 'utf8'));
    expect(text).toContain(`${LIBRARY_URL}/1.mp4`);
    expect(text).not.toContain('geheim');
  });

  it('without an id is private', async () => {
    const world = createMigrationWorld();
    await run(world, [`video,,${world.addFile('1.mp4')}`], newJournal());
    expect([...world.videos.values()][0]?.input).toMatchObject({ visibility: 'private' });
  });

  it('goes in the order of popularity', async () => {
    const world = createMigrationWorld();
    const rows = [3, 9, 5].map((views) => `movie,${views},${world.addFile(`${views}.mp4`)},${views}`);
    await run(world, ['kind,id,url,popularity', ...rows], newJournal());
    expect([...world.videos.values()].map(({ source }) => source)).toEqual(['/9.mp4', '/5.mp4', '/3.mp4']);
  });

  it('whose conversion fails in a way that may pass is tried again, and leaves one video', async () => {
    const world = createMigrationWorld();
    const rows = [`movie,1,${world.addFile('1.mp4', [{ code: 'import_unreachable' }, {}])}`];
    const [end] = await run(world, rows, newJournal());
    expect(end?.outcome).toMatchObject({ state: 'done', attempts: 2 });
    expect([world.importCount(), world.videos.size]).toEqual([2, 1]);
  });

  it('whose conversion fails for good leaves no video, and its reason', async () => {
    const world = createMigrationWorld();
    const rows = [
      `movie,1,${world.addFile('1.mp4', [{ code: 'media_malformed' }])}`,
      `movie,2,${world.addFile('2.mp4', [{ code: 'transcoder_lost' }])}`,
    ];
    const ends = await run(world, rows, newJournal());
    expect(ends.map(({ outcome }) => [outcome.code, outcome.attempts]).toSorted()).toEqual([
      ['media_malformed', 1],
      ['transcoder_lost', 3],
    ]);
    expect(world.videos.size).toBe(0);
    const rowsTold = summaryRows({ migrationId: 'm', name: 'n', seconds: 1 }, ends).join('\n');
    expect(rowsTold).toContain(
      'movie/1 from http://library.test/1.mp4: media_malformed: It was media_malformed.',
    );
  });

  it.each([
    [
      'lasts otherwise than its source',
      { videoChange: { durationSeconds: 2.2 } },
      'duration 2.200 s of 2.000 s',
    ],
    ['has other pictures than its source', { totalFrames: 48 }, 'frames 48 of 50'],
  ])('that %s has failed, and its video stays for a look', async (_what, change, note) => {
    const world = createMigrationWorld();
    const [end] = await run(world, [`movie,1,${world.addFile('1.mp4', [change])}`], newJournal());
    expect(end?.outcome).toMatchObject({ state: 'failed', code: 'verification_failed' });
    expect(end?.outcome.detail).toContain(note);
    expect(world.videos.has(end?.outcome.videoId ?? '')).toBe(true);
  });

  it('whose source changed meanwhile is taken back, and converted anew by the next run', async () => {
    const world = createMigrationWorld();
    const rows = [`movie,1,${world.addFile('1.mp4')}`];
    const path = newJournal();
    world.faults.push((request, isDone) => {
      if (request === 'POST /v1/imports' && isDone) world.etags.set('/1.mp4', '"two"');
    });
    expect((await run(world, rows, path))[0]?.outcome).toMatchObject({ code: 'import_source_changed' });
    expect(world.videos.size).toBe(0);
    expect((await run(world, rows, path))[0]?.outcome).toMatchObject({ state: 'done' });
    expect(world.videos.size).toBe(1);
  });

  it('that cannot be read has failed, without an import, while others go on', async () => {
    const world = createMigrationWorld();
    const ends = await run(
      world,
      [`movie,1,${LIBRARY_URL}/none.mp4`, `movie,2,${world.addFile('2.mp4')}`],
      newJournal(),
    );
    expect(statesOf(ends)).toEqual(['done', 'failed']);
    expect(ends.find(({ outcome }) => outcome.state === 'failed')?.outcome.code).toBe('source_not_found');
    expect(world.importCount()).toBe(1);
  });

  it('that failed is left alone by the next run, unless that is asked for', async () => {
    const world = createMigrationWorld();
    const rows = [`movie,1,${world.addFile('1.mp4', [{ code: 'media_malformed' }, {}])}`];
    const path = newJournal();
    expect(statesOf(await run(world, rows, path))).toEqual(['failed']);
    expect(statesOf(await run(world, rows, path))).toEqual(['failed']);
    expect(world.importCount()).toBe(1);
    expect(statesOf(await run(world, rows, path, true))).toEqual(['done']);
  });

  it('that is done is not converted again, also by a migrator without its journal', async () => {
    const world = createMigrationWorld();
    const rows = [`movie,1,${world.addFile('1.mp4')}`];
    await run(world, rows, newJournal());
    expect(statesOf(await run(world, rows, newJournal()))).toEqual(['done']);
    expect(world.importCount()).toBe(1);
  });
});

describe('a migrator that dies', () => {
  // Every request of the API, before it arrives and after it was heard.
  const moments = Array.from({ length: 11 }, (_, index) => [index, false] as const).flatMap(([index]) => [
    [index, false] as const,
    [index, true] as const,
  ]);
  it.each(moments)(
    'at request %i (heard: %s) leaves one video of each source to the next run',
    async (index, isHeard) => {
      const world = createMigrationWorld();
      const script = [{ code: 'import_unreachable' }, {}];
      const rows = [`movie,1,${world.addFile('1.mp4', script)}`];
      const path = newJournal();
      let count = -1;
      let isDead = false;
      world.faults.push((_request, isDone) => {
        if (!isDone) count += 1;
        if (isDead || (count === index && isDone === isHeard)) {
          isDead = true;
          throw new Killed();
        }
      });
      await run(world, rows, path).catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error;
      });
      expect(isDead).toBe(true);
      world.faults.length = 0;
      expect(statesOf(await run(world, rows, path))).toEqual(['done']);
      expect(world.videos.size).toBe(1);
      expect(world.importCount()).toBe(2);
    },
  );

  it('and comes back when nobody remembers the key of its import finds what it had made', async () => {
    const world = createMigrationWorld();
    const rows = [`movie,1,${world.addFile('1.mp4')}`];
    const path = newJournal();
    world.faults.push((request, isDone) => {
      if (request === 'POST /v1/imports' && isDone) throw new Killed();
    });
    await expect(run(world, rows, path)).rejects.toThrow(Killed);
    world.faults.length = 0;
    world.forgetKeys();
    expect(statesOf(await run(world, rows, path))).toEqual(['done']);
    expect([world.importCount(), world.videos.size]).toEqual([1, 1]);
  });

  it('and whose journal is lost finds what it had made', async () => {
    const world = createMigrationWorld();
    const rows = [`movie,1,${world.addFile('1.mp4')}`];
    world.faults.push((request, isDone) => {
      if (request === 'POST /v1/imports' && isDone) throw new Killed();
    });
    await expect(run(world, rows, newJournal())).rejects.toThrow(Killed);
    world.faults.length = 0;
    // Asked for with another title: the key is taken, and the tag tells what it made.
    const renamed = ['kind,id,url,title', `${rows[0]},Another title`];
    expect(statesOf(await run(world, renamed, newJournal()))).toEqual(['done']);
    expect([world.importCount(), world.videos.size]).toEqual([1, 1]);
  });
});

describe('what stops everything', () => {
  it.each([
    ['quota_exceeded', 403],
    ['forbidden', 403],
    ['token_expired', 401],
  ])('is %s, with the items left as they were', async (code, status) => {
    const world = createMigrationWorld();
    const rows = [1, 2, 3].map((id) => `movie,${id},${world.addFile(`${id}.mp4`)}`);
    const path = newJournal();
    world.refusals.set('POST /v1/imports', problem(status, code));
    await expect(run(world, rows, path)).rejects.toMatchObject({ code });
    expect([...world.items.values()].map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
    world.refusals.clear();
    expect(statesOf(await run(world, rows, path))).toEqual(['done', 'done', 'done']);
  });

  it('is not what one item alone is refused', async () => {
    const world = createMigrationWorld();
    world.refusals.set('POST /v1/imports', problem(409, 'content_id_taken'));
    const [end] = await run(world, [`movie,1,${world.addFile('1.mp4')}`], newJournal());
    expect(end?.outcome).toMatchObject({ state: 'failed', code: 'content_id_taken' });
  });
});

it('only ever reads from the library', async () => {
  const world = createMigrationWorld();
  await run(
    world,
    [1, 2].map((id) => `movie,${id},${world.addFile(`${id}.mp4`)}`),
    newJournal(),
  );
  const ofLibrary = world.requests.filter((request) => request.endsWith('.mp4'));
  expect(ofLibrary.length).toBeGreaterThan(0);
  expect(ofLibrary.filter((request) => !request.startsWith('GET '))).toEqual([]);
});
