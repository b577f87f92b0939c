// Packet times read from an index, against a reader nobody here wrote (mediabunny) and against ffprobe's packets.
import { CustomSource, EncodedPacketSink, Input, MP4, QTFF } from 'mediabunny';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectIso } from '../../shared/probe/iso-boxes.ts';
import { indexedTimes } from '../../shared/probe/iso-times.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { type FileSource, openFileSource } from '../support/file-source.ts';
import { ffmpeg, ffprobe, makeClip } from '../support/media.ts';

let scratch: Scratch;
let clip: string;
beforeAll(async () => {
  scratch = await createScratch('index-times');
  const plain = await makeClip(scratch.path('plain.mp4'), { seconds: 3, rate: '30' });
  clip = scratch.path('clip.mp4');
  await ffmpeg([
    '-i',
    plain,
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-bf',
    '3',
    '-g',
    '30',
    '-c:a',
    'copy',
    clip,
  ]);
});
afterAll(() => scratch[Symbol.asyncDispose]());

const VARIANTS: [string, string[], string[]][] = [
  ['B-frames', [], []],
  ['QuickTime', [], ['-f', 'mov']],
  ['a beginning that is skipped', ['-ss', '1.3'], []],
  ['a wait before the pictures', ['-itsoffset', '0.5'], ['-map', '0:v', '-map', '0:a']],
  ['gaps', [], ['-vf', 'select=not(between(n\\,20\\,50))', '-fps_mode', 'vfr', '-c:v', 'libx264']],
];

describe('packet times from an index', () => {
  it.each(VARIANTS)('are those of other readers: %s', async (name, before, after) => {
    const path = scratch.path(`${name.replaceAll(' ', '-')}.mp4`);
    await ffmpeg([...before, '-i', clip, '-c', 'copy', ...after, path]);
    await using source = await openFileSource(path);
    const index = await inspectIso(source);
    const video = index.tracks.find(({ handler }) => handler === 'vide')!;
    const times = indexedTimes(video, index)!;
    const starts = [...times.starts].sort((a, b) => a - b);

    const printed = await ffprobe([
      ...['-select_streams', 'v:0', '-show_entries', 'packet=pts_time,flags', '-of', 'csv=p=0', path],
    ]);
    const packets = printed
      .trim()
      .split('\n')
      .map((line) => line.split(','))
      .filter(([, flags]) => !flags!.includes('D'));
    expectSame(
      starts,
      packets.map(([time]) => Number(time)).sort((a, b) => a - b),
    );
    expect(times.keys).toHaveLength(packets.filter(([, flags]) => flags!.startsWith('K')).length);

    const other = await mediabunnyStarts(source, video.id);
    expectSame(starts, other.filter((start) => start >= -0.000_1).slice(0, starts.length));
  });
});

function expectSame(one: number[], other: number[]): void {
  expect(one).toHaveLength(other.length);
  expect(Math.max(...one.map((value, index) => Math.abs(value - other[index]!)))).toBeLessThan(0.001);
}

async function mediabunnyStarts(source: FileSource, trackId: number): Promise<number[]> {
  const read = (start: number, end: number) => source.read(start, end - start);
  const input = new Input({
    formats: [MP4, QTFF],
    source: new CustomSource({ getSize: () => source.sizeBytes, read }),
  });
  const track = (await input.getTracks()).find(({ id }) => id === trackId)!;
  const starts: number[] = [];
  const sink = new EncodedPacketSink(track);
  for await (const packet of sink.packets(undefined, undefined, { metadataOnly: true }))
    starts.push(packet.timestamp);
  input.dispose();
  return starts.sort((a, b) => a - b);
}
