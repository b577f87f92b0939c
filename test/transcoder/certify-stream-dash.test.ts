// MPDs of others, good and broken: ffmpeg's dash muxer, and one file with an index for each track.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { averageBps, neededBps, peakBps } from '../../transcoder/certify-stream/measure.ts';
import { copyOf, edit, setBytes, setField, swap } from '../support/break-stream.ts';
import { certificateOf, type Fault, failedChecks } from '../support/certified.ts';
import { type StreamFiles, type StreamServer, startStreamServer } from '../support/stream-server.ts';
import { ffmpegDashStream, onDemandStream } from '../support/streams.ts';

const MPD = 'manifest.mpd';

let live: StreamFiles;
let onDemand: StreamFiles;
let server: StreamServer;

beforeAll(async () => {
  server = await startStreamServer();
  [live, onDemand] = [await ffmpegDashStream(), await onDemandStream()];
});
afterAll(() => server[Symbol.asyncDispose]());

describe("certifying a stranger's MPD", () => {
  it.each([true, false])('finds nothing wrong with a good one (deep: %s)', async (isDeep) => {
    expect(await failedChecks(server, live, { root: MPD, isDeep })).toEqual([]);
  });

  it.each<Fault>([
    [
      'mpd-timeline-equals-bytes',
      'a wrong timescale',
      (f) => edit(f, MPD, (t) => t.replace('timescale="12800"', 'timescale="12000"')),
    ],
    [
      'mpd-timeline-equals-bytes',
      'segments in the wrong order',
      (f) => swap(f, 'chunk-stream0-00001.m4s', 'chunk-stream0-00002.m4s'),
    ],
    [
      'mpd-bandwidth',
      'an understated bandwidth',
      (f) => edit(f, MPD, (t) => t.replace(/bandwidth="\d+"/, 'bandwidth="50000"')),
    ],
    [
      'mpd-picture',
      'the init segment of another rung',
      (f) => swap(f, 'init-stream0.m4s', 'init-stream1.m4s'),
    ],
    [
      'reachable',
      'a start number off by one',
      (f) => edit(f, MPD, (t) => t.replace('startNumber="1"', 'startNumber="2"')),
    ],
    [
      'mpd-duration',
      'a wrong duration',
      (f) => edit(f, MPD, (t) => t.replace('Duration="PT4.0S"', 'Duration="PT3.0S"')),
    ],
  ])('finds by %s: %s', async (check, _fault, breakIt) => {
    const files = copyOf(live);
    breakIt(files);
    expect(await failedChecks(server, files, { root: MPD })).toContain(check);
  });
});

describe('certifying single files with an index', () => {
  it('reads each segment as a range of its file', async () => {
    const { checks, passed } = await certificateOf(server, onDemand, { root: MPD });
    expect(checks.filter(({ failed }) => failed > 0)).toEqual([]);
    expect(passed).toBe(true);
    expect(checks.find(({ name }) => name === 'starts-with-key')?.count).toBe(4);
  });

  it.each<Fault>([
    [
      'mpd-timeline-equals-bytes',
      'an index with a wrong clock',
      (f) => setBytes(f, 'video.mp4', (b) => setField(b, 'sidx', 8, (scale) => scale * 2)),
    ],
    [
      'segment-readable',
      'an index with a wrong size',
      (f) => setBytes(f, 'video.mp4', (b) => setField(b, 'sidx', 32, (size) => size - 8)),
    ],
    [
      'mpd-syntax',
      'an index that is not there',
      (f) => edit(f, MPD, (t) => t.replace(/indexRange="[^"]*"/, 'indexRange="0-99"')),
    ],
  ])('finds by %s: %s', async (check, _fault, breakIt) => {
    const files = copyOf(onDemand);
    breakIt(files);
    expect(await failedChecks(server, files, { root: MPD })).toContain(check);
  });
});

describe('measuring bitrates', () => {
  const segments = [
    { sizeBytes: 1000, seconds: 2 },
    { sizeBytes: 3000, seconds: 2 },
    { sizeBytes: 500, seconds: 0.1 },
  ];

  it('takes the busiest run of about a target duration, not the busiest scrap', () => {
    expect(peakBps(segments, 2)).toBeCloseTo((3500 * 8) / 2.1);
  });

  it('knows no average where a segment was not read', () => {
    expect(averageBps(segments)).toBeCloseTo((4500 * 8) / 4.1);
    expect(averageBps([segments[0], undefined])).toBeUndefined();
  });

  it('lets a buffer carry a burst', () => {
    expect(neededBps(segments.slice(0, 2), 2)).toBe(12_000);
    expect(neededBps(segments.slice(0, 2), 4)).toBe(6000);
  });
});
