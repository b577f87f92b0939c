// Every fault a generation can have, one at a time, next to the intact twin that passes.
import { beforeAll, describe, expect, it } from 'vitest';
import { CERTIFICATE, DASH_MANIFEST, MASTER_PLAYLIST, STORYBOARD } from '../../shared/object-keys.ts';
import { certify } from '../../transcoder/stages/certify.ts';
import { packagePresentation } from '../../transcoder/stages/package.ts';
import { publishDocuments } from '../../transcoder/stages/publish.ts';
import type { Document } from '../../transcoder/task-context.ts';
import { certifierOf, type FinishedJob, makeFinishedJob, OUTPUT_PREFIX } from '../support/finished-job.ts';
import { memoryR2 } from './memory-r2.ts';

type Case = FinishedJob & { documents: Document[] };

let made: FinishedJob;
let documents: Document[];

beforeAll(async () => {
  made = await makeFinishedJob();
  ({ documents } = packagePresentation(made.plan, made.facts));
});

/** A copy that one test may break. */
function intact(): Case {
  const { plan, facts, r2, claim } = made;
  return {
    claim,
    plan: structuredClone(plan),
    facts: structuredClone(facts),
    documents: structuredClone(documents),
    r2: memoryR2(Object.fromEntries([...r2.objects].map(([key, bytes]) => [key, bytes.slice()]))),
  };
}

function check(job: Case) {
  return certify(certifierOf(job), job.plan, job.facts, job.documents);
}

function edit(job: Case, name: string, change: (body: string) => string): void {
  const document = job.documents.find((one) => one.name === name)!;
  const changed = change(document.body);
  expect(changed, 'the fault changes the text').not.toBe(document.body);
  document.body = changed;
}

function flip(job: Case, name: string): void {
  const bytes = job.r2.objects.get(OUTPUT_PREFIX + name)!;
  bytes[bytes.length - 1]! ^= 1;
}

const segment = (job: Case, chunk: number, rung: number, index: number) =>
  job.facts.chunks[chunk]!.tracks[rung]!.segments[index]!;

describe('certifying', () => {
  it('gives a certificate that counts what each check looked at', async () => {
    const certificate = await check(intact());
    const counts = Object.fromEntries(certificate.checks.map(({ name, count }) => [name, count]));
    expect(counts).toMatchObject({
      'keys-on-grid': 2 * 3,
      'frames-total': 2,
      'objects-present': 3 * (3 + 1) + 2,
      'iframe-ranges': 2,
      'storyboard-times': 3,
      'bytes-unchanged': 3 * (3 + 1),
      'bandwidth-covers-peak': 2,
      'dash-timeline-equals-bytes': 3,
    });
    expect(certificate.totalFrames).toBe(150);
  });

  const faults: [check: string, fault: string, breakIt: (job: Case) => void][] = [
    ['tracks-complete', 'a rung that a chunk left out', (job) => job.facts.chunks[1]!.tracks.pop()],
    ['tracks-complete', 'a missing segment', (job) => job.facts.chunks[1]!.tracks[0]!.segments.pop()],
    ['tracks-complete', 'segments out of order', (job) => job.facts.chunks[1]!.tracks[0]!.segments.reverse()],
    [
      'init-identical',
      'a chunk made with another init segment',
      (job) => {
        job.facts.chunks[1]!.tracks[0]!.init.sha256 = 'f'.repeat(64);
      },
    ],
    [
      'timescale-planned',
      'a track with another clock',
      (job) => {
        for (const chunk of job.facts.chunks) chunk.tracks[0]!.init.timescale = 30_000;
      },
    ],
    [
      'segments-contiguous',
      'a gap of one tick',
      (job) => {
        segment(job, 1, 0, 0).startTicks += 1;
      },
    ],
    [
      'frames-as-planned',
      'a dropped frame',
      (job) => {
        segment(job, 1, 0, 0).samples -= 1;
      },
    ],
    [
      'keys-on-grid',
      'a key frame one frame late in every rung',
      (job) => {
        for (const rung of [0, 1]) segment(job, 1, rung, 0).keyTicks[0]! += 3000;
      },
    ],
    [
      'keys-on-grid',
      'a segment that starts without a key frame',
      (job) => segment(job, 1, 0, 0).keyTicks.shift(),
    ],
    [
      'audio-follows-video',
      'sound cut half a second late',
      (job) => {
        const [first, second] = job.facts.audio[0]!.tracks[0]!.segments;
        first!.durationTicks += 24_000;
        second!.startTicks += 24_000;
        second!.durationTicks -= 24_000;
      },
    ],
    [
      'extinf-exact',
      'a wrong EXTINF',
      (job) => edit(job, 'stream_180p.m3u8', (body) => body.replace('#EXTINF:2.000000', '#EXTINF:2.001000')),
    ],
    [
      'target-duration',
      'a TARGETDURATION below a segment',
      (job) =>
        edit(job, 'stream_180p.m3u8', (body) => body.replace(/TARGETDURATION:\d+/, 'TARGETDURATION:1')),
    ],
    [
      'playlist-closed',
      'a missing ENDLIST',
      (job) => edit(job, 'stream_180p.m3u8', (body) => body.replace('#EXT-X-ENDLIST', '')),
    ],
    [
      'playlist-uris',
      'a segment of another rung',
      (job) => edit(job, 'stream_180p.m3u8', (body) => body.replace('stream_180p_001', 'stream_90p_001')),
    ],
    [
      'playlist-uris',
      'the init segment of another rung',
      (job) => edit(job, 'stream_180p.m3u8', (body) => body.replace('stream_180p_init', 'stream_90p_init')),
    ],
    [
      'variants-complete',
      'a variant that is not in the master',
      (job) => edit(job, MASTER_PLAYLIST, (body) => body.replace('\nstream_90p.m3u8', '\nstream_91p.m3u8')),
    ],
    [
      'variant-codecs',
      'CODECS of another profile',
      (job) => edit(job, MASTER_PLAYLIST, (body) => body.replace(/avc1\.\w+/, 'avc1.640028')),
    ],
    [
      'variant-codecs',
      'CODECS without the sound',
      (job) => edit(job, MASTER_PLAYLIST, (body) => body.replace(',mp4a.40.2', '')),
    ],
    [
      'bandwidth-covers-peak',
      'an understated BANDWIDTH',
      (job) =>
        edit(job, MASTER_PLAYLIST, (body) =>
          body.replace(
            /([:,])BANDWIDTH=(\d+)/,
            (_, before, rate) => `${before}BANDWIDTH=${Math.floor(rate * 0.99)}`,
          ),
        ),
    ],
    [
      'average-bandwidth-measured',
      'a flattering AVERAGE-BANDWIDTH',
      (job) =>
        edit(job, MASTER_PLAYLIST, (body) => body.replace(/AVERAGE-BANDWIDTH=\d+/, 'AVERAGE-BANDWIDTH=1000')),
    ],
    [
      'variant-picture',
      'a wrong RESOLUTION',
      (job) => edit(job, MASTER_PLAYLIST, (body) => body.replace('320x180', '321x180')),
    ],
    [
      'variant-picture',
      'a wrong FRAME-RATE',
      (job) => edit(job, MASTER_PLAYLIST, (body) => body.replace('30.000', '29.970')),
    ],
    [
      'audio-listed',
      'sound with a wrong number of channels',
      (job) => edit(job, MASTER_PLAYLIST, (body) => body.replace(/CHANNELS="\d"/, 'CHANNELS="6"')),
    ],
    [
      'representations-complete',
      'a representation that the MPD leaves out',
      (job) =>
        edit(job, DASH_MANIFEST, (body) =>
          body.replace(/<Representation id="stream_90p".*?<\/Representation>/s, ''),
        ),
    ],
    [
      'representation-codecs',
      'other CODECS in the MPD',
      (job) => edit(job, DASH_MANIFEST, (body) => body.replace(/avc1\.\w+/, 'avc1.640028')),
    ],
    [
      'representation-names',
      'a template in the MPD that names another rung',
      (job) => edit(job, DASH_MANIFEST, (body) => body.replace('media="stream_90p', 'media="stream_91p')),
    ],
    [
      'representation-bandwidth',
      'an understated bandwidth in the MPD',
      (job) => edit(job, DASH_MANIFEST, (body) => body.replace(/bandwidth="\d+"/, 'bandwidth="1000"')),
    ],
    [
      'dash-timeline-equals-bytes',
      'one segment less in the MPD than in the playlists',
      (job) => edit(job, DASH_MANIFEST, (body) => body.replace(' r="1"', '')),
    ],
    [
      'objects-present',
      'an object that is not stored',
      (job) => job.r2.objects.delete(`${OUTPUT_PREFIX}stream_90p_001.m4s`),
    ],
    [
      'object-sizes',
      'an object cut short',
      (job) => {
        const key = `${OUTPUT_PREFIX}stream_90p_001.m4s`;
        job.r2.objects.set(key, job.r2.objects.get(key)!.subarray(0, -1));
      },
    ],
    ['bytes-unchanged', 'a flipped bit where chunks join', (job) => flip(job, 'stream_180p_001.m4s')],
    ['bytes-unchanged', 'a flipped bit in the last segment', (job) => flip(job, 'stream_90p_002.m4s')],
    [
      'iframe-ranges',
      'a key picture cut short by a byte',
      (job) =>
        edit(job, 'stream_180p_iframes.m3u8', (body) =>
          body.replace(/BYTERANGE:(\d+)@/, (_, bytes) => `BYTERANGE:${bytes - 1}@`),
        ),
    ],
    [
      'iframe-ranges',
      'key pictures whose bytes nobody measured',
      (job) => {
        delete segment(job, 0, 1, 0).keyRanges;
      },
    ],
    [
      'iframe-durations',
      'a key picture that lasts a second too long',
      (job) =>
        edit(job, 'stream_90p_iframes.m3u8', (body) => body.replace('#EXTINF:2.000000', '#EXTINF:3.000000')),
    ],
    [
      'iframe-variants',
      'an understated BANDWIDTH of key pictures',
      (job) =>
        edit(job, MASTER_PLAYLIST, (body) => body.replace(/(I-FRAME-STREAM-INF:BANDWIDTH)=\d+/, '$1=100')),
    ],
    [
      'storyboard-sheets',
      'a sheet that was not made',
      (job) => job.facts.pictures!.sheets!.push({ name: 'x', sizeBytes: 1 }),
    ],
    [
      'storyboard-complete',
      'a cue that is missing',
      (job) => edit(job, STORYBOARD, (body) => body.slice(0, body.lastIndexOf('\n00:'))),
    ],
    [
      'storyboard-times',
      'a cue that begins late',
      (job) => edit(job, STORYBOARD, (body) => body.replace('00:00:02.000 -->', '00:00:02.500 -->')),
    ],
    [
      'storyboard-places',
      'a cue that shows the tile before',
      (job) => edit(job, STORYBOARD, (body) => body.replace('xywh=160,', 'xywh=0,')),
    ],
    [
      'image-set',
      'a sheet in the MPD with other columns',
      (job) => edit(job, DASH_MANIFEST, (body) => body.replace('value="3x1"', 'value="1x3"')),
    ],
    [
      'objects-present',
      'a sheet that is not stored',
      (job) => job.r2.objects.delete(`${OUTPUT_PREFIX}thumb_000.jpg`),
    ],
    [
      'documents-complete',
      'a playlist that was not written',
      (job) => {
        job.documents = job.documents.filter(({ name }) => name !== 'stream_90p.m3u8');
      },
    ],
  ];

  it.each(faults)('refuses by %s: %s', async (name, _fault, breakIt) => {
    const job = intact();
    breakIt(job);
    const failure = await check(job).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      code: 'verification_failed',
      detail: expect.stringMatching(`^${name}: `),
    });
  });
});

describe('packaging', () => {
  it('tells sizes, duration and bitrates of what was stored', async () => {
    const { plan, facts, r2 } = made;
    const { presentation } = packagePresentation(plan, facts);
    const published = [...r2.objects].filter(([key]) => key.startsWith(OUTPUT_PREFIX));
    const stored = published.reduce((sum, [, bytes]) => sum + bytes.length, 0);
    expect(presentation).toMatchObject({
      durationSeconds: 5,
      width: 320,
      height: 180,
      frameRate: 30,
      sizeBytes: stored,
    });
    expect(presentation.renditions.map(({ name }) => name)).toEqual(['90p', '180p']);
    expect(presentation.audio).toHaveLength(1);
  });
});

describe('publishing', () => {
  it('stores leaves before roots and the certificate last', async () => {
    const { claim } = made;
    const r2 = memoryR2();
    const all = [{ name: CERTIFICATE, body: '{}' }, ...documents.toReversed()];
    await publishDocuments({ claim, r2 }, all);
    const names = [...r2.objects.keys()].map((key) => key.slice(OUTPUT_PREFIX.length));
    expect(names).toHaveLength(all.length);
    expect(names.slice(-3)).toEqual([DASH_MANIFEST, MASTER_PLAYLIST, CERTIFICATE]);
  });

  it('may be repeated with the same documents, not with others', async () => {
    const { claim } = made;
    const r2 = memoryR2();
    await publishDocuments({ claim, r2 }, documents);
    await publishDocuments({ claim, r2 }, documents);
    const others = documents.map(({ name, body }) => ({ name, body: `${body}\n` }));
    await expect(publishDocuments({ claim, r2 }, others)).rejects.toMatchObject({
      code: 'verification_failed',
    });
  });
});
