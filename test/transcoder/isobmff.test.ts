import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Plan } from '../../shared/plan.ts';
import { asciiBytes, boxesIn, findBox, u64Bytes, words, writeBox } from '../../transcoder/isobmff/boxes.ts';
import { aacFrameTicks, codecsOf } from '../../transcoder/isobmff/codecs.ts';
import { readFragment, setSequenceNumber } from '../../transcoder/isobmff/fragment.ts';
import { type Fragment, GrowingFile } from '../../transcoder/isobmff/growing-file.ts';
import { initFacts, readEditList, withSingleEdit } from '../../transcoder/isobmff/init.ts';
import { assembleSegment, segmentFacts } from '../../transcoder/isobmff/segment.ts';
import { requireOnGrid, videoSegments } from '../../transcoder/isobmff/video-grid.ts';
import { makeFolder } from '../support/media.ts';

const REFUSED = { code: 'verification_failed' };
const FRAME_TICKS = 3000;

type Form = {
  baseTicks?: number;
  sizes?: number[];
  sequenceNumber?: number;
  tfhdFlags?: number;
  firstFlags?: number;
  trafs?: number;
  extraDataBytes?: number;
  claimedSamples?: number;
};

/** A fragment as ffmpeg writes them: defaults in tfhd, sizes in trun, the first sample a key frame. */
function fragment(form: Form = {}): { moof: Uint8Array; mdat: Uint8Array } {
  const { baseTicks = 0, sizes = [5, 3], sequenceNumber = 9, trafs = 1 } = form;
  const data = new Uint8Array(sizes.reduce((sum, size) => sum + size, form.extraDataBytes ?? 0)).fill(7);
  const build = (dataOffset: number) => {
    const tfhd = writeBox('tfhd', words(form.tfhdFlags ?? 0x020028, 1, FRAME_TICKS, 0x01010000));
    const tfdt = writeBox('tfdt', words(0x01000000), u64Bytes(baseTicks));
    const counts = [form.claimedSamples ?? sizes.length, dataOffset, form.firstFlags ?? 0x02000000];
    const trun = writeBox('trun', words(0x000205, ...counts, ...sizes));
    const traf = writeBox('traf', tfhd, tfdt, trun);
    return writeBox('moof', writeBox('mfhd', words(0, sequenceNumber)), ...Array(trafs).fill(traf));
  };
  return { moof: build(build(0).length + 8), mdat: writeBox('mdat', data) };
}

function bytesOf(...parts: { moof: Uint8Array; mdat: Uint8Array }[]): Uint8Array {
  return Buffer.concat(parts.flatMap(({ moof, mdat }) => [moof, mdat]));
}

function gop(baseTicks: number, frames = 2): { moof: Uint8Array; mdat: Uint8Array } {
  return fragment({ baseTicks, sizes: Array(frames).fill(4), sequenceNumber: 1 + baseTicks / FRAME_TICKS });
}

describe('boxes', () => {
  const inner = writeBox('free', words(1));
  test.each([
    { what: 'fills its parent', bytes: inner, isRefused: false },
    { what: 'runs past its parent', bytes: inner.subarray(0, 10), isRefused: true },
    {
      what: 'is smaller than its header',
      bytes: Uint8Array.of(0, 0, 0, 7, ...inner.subarray(4)),
      isRefused: true,
    },
    {
      what: 'claims to reach the end of the file',
      bytes: Uint8Array.of(0, 0, 0, 0, ...inner.subarray(4)),
      isRefused: true,
    },
    {
      what: 'is followed by a cut header',
      bytes: Buffer.concat([inner, Buffer.from([0, 0, 0])]),
      isRefused: true,
    },
  ])('are refused, or not, where one $what', ({ bytes, isRefused }) => {
    if (isRefused) expect(() => boxesIn(bytes)).toThrow(expect.objectContaining(REFUSED));
    else expect(boxesIn(bytes)).toMatchObject([{ type: 'free', bodyStart: 8, end: 12 }]);
  });

  test('of 64-bit size are read', () => {
    const bytes = Buffer.concat([words(1), asciiBytes('mdat'), u64Bytes(20), words(5)]);
    expect(boxesIn(bytes)).toMatchObject([{ type: 'mdat', bodyStart: 16, end: 20 }]);
  });

  test('nested thousands deep are not followed', () => {
    let nested = writeBox('moov');
    for (let depth = 0; depth < 4000; depth++) nested = writeBox('moov', nested);
    expect(findBox(nested, 'moov/moov/trak')).toBeUndefined();
    expect(findBox(nested, 'moov/moov/moov')).toBeDefined();
  });
});

describe('a fragment', () => {
  test('tells its time, samples and where they are', () => {
    const { moof } = fragment({ baseTicks: 2 ** 40 });
    const facts = readFragment(moof);
    expect(facts).toMatchObject({ baseTicks: 2 ** 40, durationTicks: 6000, dataOffset: moof.length + 8 });
    expect(facts.samples.map(({ sizeBytes, isSync }) => [sizeBytes, isSync])).toEqual([
      [5, true],
      [3, false],
    ]);
  });

  test.each<{ what: string; form: Form }>([
    { what: 'two tracks', form: { trafs: 2 } },
    { what: 'offsets from the start of the file', form: { tfhdFlags: 0x000028 } },
    { what: 'more samples than it lists', form: { claimedSamples: 3 } },
    { what: 'a time of 2^64-1024', form: { baseTicks: Number.MAX_SAFE_INTEGER + 1 } },
  ])('with $what is refused', ({ form }) => {
    expect(() => readFragment(fragment(form).moof)).toThrow(expect.objectContaining(REFUSED));
    expect(() => readFragment(fragment().moof)).not.toThrow();
  });

  test('is numbered anew without any other byte changing', () => {
    const { moof } = fragment({ sequenceNumber: 3 });
    const renumbered = moof.slice();
    setSequenceNumber(renumbered, 77);
    expect(renumbered).toEqual(fragment({ sequenceNumber: 77 }).moof);
  });
});

describe('facts of a segment', () => {
  test('are read from its bytes', () => {
    const facts = segmentFacts(4, bytesOf(gop(0), gop(6000)));
    expect(facts).toMatchObject({
      index: 4,
      startTicks: 0,
      durationTicks: 12_000,
      samples: 4,
      keyTicks: [0, 6000],
    });
  });

  test.each([
    { what: 'a hole', bytes: bytesOf(gop(0), gop(9000)) },
    { what: 'an overlap', bytes: bytesOf(gop(0), gop(3000)) },
    {
      what: 'fragments in the wrong order',
      bytes: bytesOf(fragment(), fragment({ baseTicks: 6000, sequenceNumber: 1 })),
    },
    { what: 'media data that no sample claims', bytes: bytesOf(fragment({ extraDataBytes: 1 })) },
    { what: 'no fragment at all', bytes: writeBox('styp', words(0)) },
    { what: 'a cut end', bytes: bytesOf(gop(0), gop(6000)).subarray(0, -1) },
  ])('are refused for $what', ({ bytes }) => {
    expect(() => segmentFacts(0, bytes)).toThrow(expect.objectContaining(REFUSED));
  });
});

/** 30 fps, GOPs of 2 frames, segments of 4, five frames in two segments. */
const grid = {
  fps: { num: 30, den: 1 },
  gopFrames: 2,
  segmentFrames: 4,
  segmentCount: 2,
  totalFrames: 7,
} as Plan;

describe('the grid', () => {
  const asFragments = async function* (
    parts: { moof: Uint8Array; mdat: Uint8Array }[],
  ): AsyncGenerator<Fragment> {
    for (const { moof, mdat } of parts) {
      yield { moof, mdatOffset: 0, mdatSizeBytes: mdat.length, facts: readFragment(moof) };
    }
  };
  const collect = async (parts: { moof: Uint8Array; mdat: Uint8Array }[]) => {
    const found: [number, number, number][] = [];
    for await (const { index, fragments, firstSequenceNumber } of videoSegments(
      asFragments(parts),
      grid,
      0,
      2,
    )) {
      found.push([index, fragments.length, firstSequenceNumber]);
    }
    return found;
  };

  test('groups fragments into segments, the last one as short as planned', async () => {
    expect(await collect([gop(0), gop(6000), gop(12_000), gop(18_000, 1)])).toEqual([
      [0, 2, 1],
      [1, 2, 3],
    ]);
  });

  test('gives out no segment that lacks a frame', async () => {
    expect(await collect([gop(0), gop(6000), gop(12_000)])).toEqual([[0, 2, 1]]);
  });

  test.each([
    { what: 'starts off the grid', parts: [gop(3000)] },
    { what: 'starts without a key frame', parts: [fragment({ firstFlags: 0x01010000 })] },
    { what: 'crosses the end of its segment', parts: [gop(0), gop(6000, 3)] },
    {
      what: 'comes after the last planned frame',
      parts: [gop(0), gop(6000), gop(12_000), gop(18_000, 1), gop(21_000)],
    },
  ])('refuses a fragment that $what', async ({ parts }) => {
    await expect(collect(parts)).rejects.toMatchObject(REFUSED);
  });

  test.each([
    { what: 'as planned', parts: [gop(0), gop(6000)], isRefused: false },
    { what: 'a frame too short', parts: [gop(0), gop(6000, 1)], isRefused: true },
    { what: 'a GOP late', parts: [gop(6000), gop(12_000)], isRefused: true },
    { what: 'with a key frame missing', parts: [gop(0, 4)], isRefused: true },
  ])('knows a segment that is $what', ({ parts, isRefused }) => {
    const check = () => requireOnGrid(grid, segmentFacts(0, bytesOf(...parts)));
    if (isRefused) expect(check).toThrow(expect.objectContaining(REFUSED));
    else expect(check).not.toThrow();
  });
});

test('a file that is still written yields each fragment once all of it is there', async () => {
  const path = join(await makeFolder('growing'), 'growing.mp4');
  const writer = { hasEnded: false };
  await using file = new GrowingFile(path, writer);
  const init = Buffer.concat([writeBox('ftyp', words(0)), writeBox('moov', words(1, 2, 3))]);
  const cut = bytesOf(gop(18_000)).subarray(0, -1);
  const whole = Buffer.concat([init, writeBox('free'), bytesOf(gop(0), gop(6000), gop(12_000)), cut]);

  const reading = (async () => {
    const fragments: Fragment[] = [];
    for await (const one of file.fragments()) fragments.push(one);
    return fragments;
  })();
  const target = await open(path, 'w');
  for (let at = 0; at < whole.length; at += 41) await target.write(whole.subarray(at, at + 41));
  await target.close();
  writer.hasEnded = true;

  const fragments = await reading;
  expect(await file.init()).toEqual(new Uint8Array(init));
  // The fourth was cut off by the end and is left out.
  expect(fragments.map((one) => one.facts.baseTicks)).toEqual([0, 6000, 12_000]);
  const segment = await assembleSegment(file, fragments.slice(1), 21);
  expect(segmentFacts(0, segment)).toMatchObject({ startTicks: 6000, samples: 4 });
  expect(boxesIn(segment).map((box) => box.type)).toEqual(['styp', 'moof', 'mdat', 'moof', 'mdat']);
});

describe('an init segment', () => {
  const entry = (type: string, fixedBytes: number, ...children: Uint8Array[]) =>
    writeBox('stsd', words(0, 1), writeBox(type, new Uint8Array(fixedBytes), ...children));
  const init = (stsd: Uint8Array, elst?: Uint8Array) => {
    const mdhd = writeBox('mdhd', words(0, 0, 0, 48_000, 0, 0));
    const mdia = writeBox('mdia', mdhd, writeBox('minf', writeBox('stbl', stsd)));
    const edts = elst ? [writeBox('edts', elst)] : [];
    const trak = writeBox('trak', writeBox('tkhd', words(3)), ...edts, mdia);
    const mvhd = writeBox('mvhd', words(0, 0, 0, 1000, 0));
    return Buffer.concat([writeBox('ftyp', words(0)), writeBox('moov', mvhd, trak, writeBox('mvex'))]);
  };
  const esds = (...config: number[]) => {
    const head = [0, 0, 0, 0, 3, 0x80, 0x80, 0x80, 0x22, 0, 1, 0, 4, 0x80, 0x80, 0x80, 0x14, 0x40];
    return writeBox('esds', Uint8Array.from([...head, ...Array(12).fill(0), 5, config.length, ...config]));
  };
  const avc = entry('avc1', 78, writeBox('avcC', Uint8Array.of(1, 0x64, 0x00, 0x1f, 0xff)));

  test('names its codec and timescale', () => {
    expect(initFacts(init(avc))).toMatchObject({ codecs: 'avc1.64001f', timescale: 48_000 });
    expect(codecsOf(init(entry('mp4a', 28, esds(0x11, 0x90))))).toBe('mp4a.40.2');
    // Object type 31 is the escape to types above it: 0xf9 0x40 is 32 + 10.
    expect(codecsOf(init(entry('mp4a', 28, esds(0xf9, 0x40))))).toBe('mp4a.40.42');
    expect(() => codecsOf(init(entry('hvc1', 78)))).toThrow(expect.objectContaining(REFUSED));
    expect(() => codecsOf(init(entry('mp4a', 28, esds())))).toThrow(expect.objectContaining(REFUSED));
  });

  test('tells AAC frames of 1024 samples from those of 960', () => {
    expect(aacFrameTicks(init(entry('mp4a', 28, esds(0x11, 0x90))))).toBe(1024);
    expect(aacFrameTicks(init(entry('mp4a', 28, esds(0x11, 0x94))))).toBe(960);
  });

  test('with a pause before the track gets one edit in its place', () => {
    const paused = init(avc, writeBox('elst', words(0, 2, 500, 0xffffffff, 0x10000, 0, 1024, 0x10000)));
    expect(readEditList(paused)).toEqual({ pauseSeconds: 0.5, hiddenTicks: 1024 });
    const single = withSingleEdit(paused, 1100);
    expect(readEditList(single)).toEqual({ pauseSeconds: 0, hiddenTicks: 1100 });
    expect(single).toEqual(init(avc, writeBox('elst', words(0, 1, 0, 1100, 0x10000))));
    expect(withSingleEdit(init(avc), 1100)).toEqual(single);
  });

  test('with edits that skip about in the track is refused', () => {
    const skipping = init(avc, writeBox('elst', words(0, 2, 500, 0, 0x10000, 500, 96_000, 0x10000)));
    expect(() => readEditList(skipping)).toThrow(expect.objectContaining(REFUSED));
  });
});
