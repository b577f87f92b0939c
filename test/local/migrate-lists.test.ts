import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityOf, itemKeyOf, repeatedIn, sourceLabel } from '../../transcoder/migrate/candidate.ts';
import { parseCsv } from '../../transcoder/migrate/csv.ts';
import { ASSUMPTIONS, estimateOf } from '../../transcoder/migrate/estimate.ts';
import { type JournalLine, openJournal } from '../../transcoder/migrate/journal.ts';
import { readList } from '../../transcoder/migrate/read-list.ts';
import { signedGetUrl } from '../../transcoder/migrate/s3-source.ts';
import { titleOf } from '../../transcoder/migrate/title.ts';
import { checksOf } from '../../transcoder/migrate/verify.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-lists-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a list', () => {
  it('is read as CSV with a header, whatever the order of its columns', () => {
    const text =
      '\uFEFFpopularity,url,kind,id,title\r\n7,https://a.example.com/1.mp4,movie,1,"Sea, ""blue"""\r\n';
    const { candidates, problems } = readList('a.csv', text);
    expect(problems).toEqual([]);
    expect(candidates).toEqual([
      {
        ...{ kind: 'movie', contentId: '1', title: 'Sea, "blue"', popularity: 7, place: 'line 2' },
        origin: { type: 'url', url: 'https://a.example.com/1.mp4' },
      },
    ]);
  });

  it('without a header is kind, id, and a URL or a key', () => {
    const { candidates, problems } = readList(
      'a.csv',
      'movie,1,https://a.example.com/1.mp4\nepisode,2,old/2.mp4\n',
    );
    expect(problems).toEqual([]);
    expect(candidates.map(({ origin }) => origin)).toEqual([
      { type: 'url', url: 'https://a.example.com/1.mp4' },
      { type: 'bucket', key: 'old/2.mp4' },
    ]);
  });

  it('is read as JSON lines, with numbers as ids', () => {
    const { candidates, problems } = readList(
      'a.jsonl',
      '{"kind":"movie","id":12,"key":"a.mp4"}\n\n{"key":"b.mp4"}\n',
    );
    expect(problems).toEqual([]);
    expect(candidates).toMatchObject([
      { kind: 'movie', contentId: '12' },
      { kind: 'video', contentId: undefined, place: 'line 3' },
    ]);
  });

  const GOOD = 'movie,1,https://a.example.com/1.mp4';
  it.each([
    [
      'an unknown kind',
      'opera,1,https://a.example.com/1.mp4',
      'line 2: the kind is none of movie, episode, video',
    ],
    ['an id that is no content id', 'movie,../1,https://a.example.com/1.mp4', 'line 2: the id is not'],
    ['no id for a movie', 'movie,,https://a.example.com/1.mp4', 'line 2: a movie needs an id'],
    ['no source', 'movie,1,', 'line 2: name either a url or a key'],
    ['another scheme', 'movie,1,ftp://a.example.com/1.mp4', 'line 2: the url is no http or https URL'],
    ['a column too few', 'movie,1', 'line 2: 2 columns, not 3'],
    ['a quote left open', 'movie,1,"https://a', 'line 2: a quote is never closed'],
  ])('with %s says in which line', (_what, line, problem) => {
    const header = 'kind,id,url\n';
    expect(readList('a.csv', `${header}${line}\n`).problems).toContainEqual(expect.stringContaining(problem));
    expect(readList('a.csv', `${header}${GOOD}\n`).problems).toEqual([]);
  });

  it('with a key of the system itself, or an unknown column, is refused', () => {
    expect(readList('a.csv', 'movie,1,sources/a/b').problems).toEqual([
      'line 1: the key is one of Reelay itself',
    ]);
    expect(readList('a.csv', 'kind,id,uri\n').problems).toEqual([
      expect.stringMatching(/^line 1: unknown columns uri/),
    ]);
    expect(readList('a.jsonl', '{"key":"a.mp4","uri":"b"}').problems).toEqual([
      expect.stringMatching(/^line 1: .*uri/),
    ]);
    expect(readList('a.jsonl', '[1]\n{').problems).toEqual([
      'line 1: this is no JSON object',
      'line 2: this is not JSON',
    ]);
  });

  it('counts lines also where a quoted field spans several', () => {
    const { rows } = parseCsv('a,"x\ny",b\n\nc,d,e');
    expect(rows).toEqual([
      { line: 1, fields: ['a', 'x\ny', 'b'] },
      { line: 4, fields: ['c', 'd', 'e'] },
    ]);
  });

  it('that names a title twice, or a source without a title, says where first', () => {
    const url = (id: number) => `https://a.example.com/${id}.mp4`;
    const repeated = (text: string) => repeatedIn(readList('a.csv', text).candidates);
    expect(repeated(`movie,1,${url(1)}\nmovie,1,${url(2)}`)).toEqual(['line 2 repeats movie 1 of line 1']);
    expect(repeated(`video,,${url(1)}\nvideo,,${url(1)}`)).toEqual(['line 2 repeats the source of line 1']);
    expect(repeated(`movie,1,${url(1)}\nepisode,1,${url(1)}`)).toEqual([]);
  });
});

describe('the title of a file', () => {
  it.each([
    ['movies/123.mp4', {}, { kind: 'movie', contentId: '123' }],
    ['old/episodes/s1/e2.mkv', {}, { kind: 'episode', contentId: 'e2' }],
    ['123.mp4', {}, { kind: 'video' }],
    ['123.mp4', { kind: 'movie' }, { kind: 'movie', contentId: '123' }],
    ['movies/a film.mp4', {}, { kind: 'movie' }],
    ['movies/7/full.mp4', { match: 'movies/{id}/full.mp4' }, { kind: 'movie', contentId: '7' }],
    ['movies/7/trailer.mp4', { match: 'movies/{id}/full.mp4' }, { kind: 'movie' }],
  ] as const)('%s with %j is %j', (path, rules, title) => {
    expect(titleOf(path, rules)).toEqual(title);
  });
});

describe('the key of an item', () => {
  const candidate = {
    kind: 'movie',
    contentId: '1',
    origin: { type: 'bucket', key: 'a.mp4' },
    place: 'a',
  } as const;

  it('is that of title, source, etag and profile, and of nothing else', () => {
    const key = itemKeyOf(candidate, '"1"', {});
    expect(itemKeyOf({ ...candidate, place: 'b', popularity: 9, sizeBytes: 1 }, '"1"', {})).toBe(key);
    const others = [
      itemKeyOf(candidate, '"2"', {}),
      itemKeyOf({ ...candidate, contentId: '2' }, '"1"', {}),
      itemKeyOf({ ...candidate, origin: { type: 'bucket', key: 'b.mp4' } }, '"1"', {}),
      itemKeyOf(candidate, '"1"', { protection: 'aes-128' }),
    ];
    expect(new Set([key, ...others]).size).toBe(5);
  });

  it('keeps the signature of a URL to itself', () => {
    const origin = { type: 'url', url: 'https://a.example.com/1.mp4?signature=geheim' } as const;
    expect(sourceLabel(origin)).toBe('https://a.example.com/1.mp4');
    expect(identityOf(origin)).not.toContain('geheim');
  });
});

describe('the journal', () => {
  const line = (attempt: number): JournalLine => ({
    type: 'starting',
    key: 'a',
    attempt,
    at: '2026-01-01T00:00:00Z',
  });

  it('drops a last line that a kill has torn, and goes on behind the whole ones', async () => {
    const path = join(folder, 'torn.jsonl');
    {
      await using journal = await openJournal(path);
      await Promise.all([journal.append(line(1)), journal.append(line(2))]);
    }
    await appendFile(path, '{"type":"starting","key":"ü');
    {
      await using journal = await openJournal(path);
      expect(journal.lines).toEqual([line(1), line(2)]);
      await journal.append(line(3));
    }
    expect(
      (await readFile(path, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((text) => JSON.parse(text).attempt),
    ).toEqual([1, 2, 3]);
  });

  it('that is damaged in its middle says in which line', async () => {
    const path = join(folder, 'damaged.jsonl');
    await writeFile(path, `${JSON.stringify(line(1))}\nnot JSON\n${JSON.stringify(line(2))}\n`);
    await expect(openJournal(path)).rejects.toThrow(/damaged in line 2/);
  });

  it('is one migrator’s at a time, and that of a dead one is taken over', async () => {
    const path = join(folder, 'locked.jsonl');
    // Process 1 lives as long as the machine does.
    await writeFile(`${path}.lock`, '1');
    await expect(openJournal(path)).rejects.toThrow(/another migrator \(process 1\)/);
    await writeFile(`${path}.lock`, '999999999');
    await (await openJournal(path))[Symbol.asyncDispose]();
    await expect(readFile(`${path}.lock`)).rejects.toThrow('ENOENT');
  });
});

describe('the signed URL of an object', () => {
  const access = {
    endpoint: 'https://s3.example.com',
    region: 'auto',
    accessKeyId: 'id',
    secretAccessKey: 'secret',
  };
  const sign = (key: string, at: string) => signedGetUrl(access, { bucket: 'films', key }, new Date(at));

  it('is the same for the same time, so that an import asked for twice is the same import', async () => {
    const url = await sign('a b/ü+1.mp4', '2026-01-01T00:00:00.123Z');
    expect(url.pathname).toBe('/films/a%20b/%C3%BC%2B1.mp4');
    expect((await sign('a b/ü+1.mp4', '2026-01-01T00:00:00.123Z')).href).toBe(url.href);
    expect((await sign('a b/ü+1.mp4', '2026-01-01T00:00:01.123Z')).href).not.toBe(url.href);
    expect(url.searchParams.get('X-Amz-Expires')).toBe(String(7 * 24 * 3600));
    expect(url.href).not.toContain('secret');
  });
});

describe('what is compared', () => {
  const video = { durationSeconds: 10, frameRate: 25, audio: [{}] } as Parameters<typeof checksOf>[0];
  const certificate = { jobId: 'j', totalFrames: 250, checks: [{ name: 'a', count: 1 }] };
  const probed = {
    ...{
      durationSeconds: 10.05,
      picturesEndSeconds: 10,
      width: 160,
      height: 90,
      framesPerSecond: 25,
      audioTracks: 1,
    },
  };
  const wrong = (...args: Parameters<typeof checksOf>) =>
    checksOf(...args).flatMap(({ name, isRight }) => (isRight ? [] : [name]));

  it('is certificate, duration, frames and sound', () => {
    expect(wrong(video, 'j', certificate, probed)).toEqual([]);
    expect(wrong(video, 'other', certificate, probed)).toEqual(['certificate']);
    expect(wrong({ ...video, durationSeconds: 9.9 }, 'j', certificate, probed)).toEqual(['duration']);
    expect(wrong(video, 'j', { ...certificate, totalFrames: 248 }, probed)).toEqual(['frames']);
    expect(wrong({ ...video, audio: [] }, 'j', certificate, probed)).toEqual(['audio']);
    expect(wrong({ ...video, audio: [] }, 'j', certificate, { ...probed, audioTracks: 0 })).toEqual([]);
  });

  it('is the certificate alone where a source could not be looked into', () => {
    expect(checksOf(video, 'j', certificate, undefined).map(({ name }) => name)).toEqual(['certificate']);
  });
});

describe('the estimate', () => {
  const hour = {
    ...{ durationSeconds: 3600, picturesEndSeconds: 3600, width: 1920, height: 1080 },
    ...{ framesPerSecond: 30, audioTracks: 1 },
  };

  it('grows with length and pixels, shrinks with speed and transcoders, and tells what it does not know', () => {
    const sources = [
      { sizeBytes: 1e9, probed: hour },
      { sizeBytes: 1e9, probed: undefined },
    ];
    const estimate = estimateOf(sources, ASSUMPTIONS, 4);
    expect(estimate).toMatchObject({
      items: 2,
      hours: 1,
      unknownLengths: 1,
      sourceBytes: 2e9,
      workSeconds: 3600,
    });
    // 3600 s of 4 vCPU and 12 GiB, and 6 tracks of 600 segments.
    expect(estimate.dollarsOnce).toBeCloseTo(
      3600 * (4 * 0.00002 + 12 * 0.0000025) + (6 * 600 * 4.5) / 1e6,
      6,
    );
    const small = { ...hour, width: 960, height: 540 };
    expect(estimateOf([{ sizeBytes: 1, probed: small }], ASSUMPTIONS, 4).workSeconds).toBe(900);
    const faster = { ...ASSUMPTIONS, realTimes1080p: 2, transcoders: 3 };
    expect(estimateOf(sources, faster, 4).elapsedSeconds).toBe(600);
    expect(estimateOf(sources, faster, 1).elapsedSeconds).toBe(1800);
  });
});
