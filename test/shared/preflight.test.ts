import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KIB } from '../../shared/limits.ts';
import { PlanOptions } from '../../shared/plan.ts';
import { type Pieces, preflight } from '../../shared/preflight.ts';
import { PreflightAnswer } from '../../shared/preflight-answer.ts';
import { filePieces } from '../support/file-pieces.ts';
import { tried } from '../support/properties.ts';
import { type SmallMp4Choices, smallMp4 } from '../support/small-mp4.ts';

const ask = (pieces: Pieces) => preflight(pieces, PlanOptions.parse({}));
const askFor = (choices?: SmallMp4Choices) => ask(filePieces(smallMp4(choices)));
const codesOf = (reasons: { code: string }[]) => reasons.map(({ code }) => code);

describe('preflight of an MP4', () => {
  it('tells what will become of it', async () => {
    const answer = PreflightAnswer.parse(await askFor());
    expect(answer).toMatchObject({
      verdict: 'accepted',
      reasons: [],
      container: 'mp4',
      videoCodec: 'h264',
      audioCodecs: [],
      ...{ width: 320, height: 180, rotationDegrees: 0, isHdr: false },
      ...{ durationSeconds: 2, frameRate: 25, isVariableFrameRate: false, segmentCount: 1 },
      ladder: [{ name: '180p', width: 320, height: 180 }],
    });
  });

  it('knows where the index lies, and reads it at either end', async () => {
    expect(await askFor({ order: ['moov', 'mdat'] })).toMatchObject({
      verdict: 'accepted',
      isFaststart: true,
    });
    expect(await askFor({ order: ['mdat', 'moov'] })).toMatchObject({
      verdict: 'accepted',
      isFaststart: false,
    });
  });

  it('does not guess at an index in the middle', async () => {
    const far = { freeBytes: 300 * KIB, pictureBytes: 8 * KIB };
    const middle = await askFor({ ...far, order: ['mdat', 'moov', 'free'] });
    expect(middle).toMatchObject({ verdict: 'unknown', container: 'mp4', isFaststart: false, ladder: [] });
    expect(codesOf(middle.reasons)).toEqual(['index_not_in_bytes']);
    expect(await askFor({ ...far, order: ['mdat', 'free', 'moov'] })).toMatchObject({ verdict: 'accepted' });
  });

  it('reads an index that goes from one piece into the other, and none with a gap in it', async () => {
    const file = smallMp4({ pictures: 5000, pictureBytes: 5 });
    const half = Math.ceil(file.length / 2);
    expect(await ask(filePieces(file, half))).toMatchObject({ verdict: 'accepted', durationSeconds: 200 });
    const gap = await ask(filePieces(file, 10_000));
    expect(codesOf(gap.reasons)).toEqual(['index_not_in_bytes']);
  });

  it('says that a file which ends too early does so', async () => {
    const whole = filePieces(smallMp4());
    const short = await ask({ ...whole, sizeBytes: whole.sizeBytes - 1, head: whole.head.subarray(0, -1) });
    expect(short).toMatchObject({ verdict: 'refused', instant: 'no', ladder: [] });
    expect(codesOf(short.reasons)).toEqual(['media_truncated']);
    expect(await ask(whole)).toMatchObject({ verdict: 'accepted' });
  });

  it('does not judge a codec whose name it does not know', async () => {
    const odd = await askFor({ sampleEntry: 'zzzz' });
    expect(odd.verdict).toBe('unknown');
    expect(codesOf(odd.reasons)).toEqual(['codec_not_known']);
    const bad = await askFor({ sampleEntry: 'SVQ3' });
    expect(bad.verdict).toBe('refused');
    expect(codesOf(bad.reasons)).toEqual(['media_unsupported_codec']);
  });

  it('turns the picture as the file asks for', async () => {
    expect(await askFor({ matrix: [0, 1, -1, 0] })).toMatchObject({
      ...{ width: 180, height: 320, rotationDegrees: 90 },
      instant: 'no',
      instantReasons: [{ code: 'rotation' }],
    });
  });
});

describe('playing by a copy', () => {
  it('is certain when every key picture was seen, and likely when some were not', async () => {
    expect(await askFor()).toMatchObject({ instant: 'yes', instantReasons: [] });
    const large = await askFor({ pictures: 2000, pictureBytes: 500 });
    expect(large.instant).toBe('likely');
    expect(codesOf(large.instantReasons)).toEqual(['key_pictures']);
  });

  it.each([
    ['key_pictures', { keyNalType: 1 }],
    ['key_distance', { pictures: 300, keyEvery: 251 }],
    ['bitrate', { pictureBytes: 5 * KIB }],
    ['codec', { sampleEntry: 'vp09' }],
  ])('fails by %s alone', async (code, choices) => {
    const { verdict, instant, instantReasons } = await askFor(choices);
    expect({ verdict, instant, codes: codesOf(instantReasons) }).toEqual({
      verdict: 'accepted',
      instant: 'no',
      codes: [code],
    });
  });

  it('allows key pictures ten seconds apart', async () => {
    expect(await askFor({ pictures: 300, keyEvery: 250 })).toMatchObject({ instant: 'yes' });
  });
});

describe('preflight of anything at all', () => {
  const sources = [smallMp4(), smallMp4({ order: ['mdat', 'moov'] }), tinyMatroska()];

  it('answers whatever has been done to the bytes', async () => {
    expect(await ask(filePieces(sources[2]!))).toMatchObject({ verdict: 'accepted', frameRate: 25 });
    const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.nat(255) });
    const edits = fc.array(change, { minLength: 1, maxLength: 12 });
    const word = fc.constantFrom(0, 1, 7, 0x7fffffff, 0xffffffff);
    const property = fc.asyncProperty(
      ...[fc.constantFrom(...sources), edits, fc.option(word), fc.nat(4096), fc.nat(2 ** 40)],
      async (source, changes, wordOrNone, cut, claimedBytes) => {
        const bytes = source.slice(0, source.length - (cut % 3 === 0 ? cut : 0) || 1);
        for (const { at, byte } of changes) bytes[Math.floor(at * (bytes.length - 1))] = byte;
        const wordAt = Math.floor(changes[0]!.at * Math.max(0, bytes.length - 4));
        if (wordOrNone !== null && bytes.length > 4) {
          new DataView(bytes.buffer).setUint32(wordAt, wordOrNone);
        }
        const sizeBytes = cut % 2 === 0 ? bytes.length : Math.max(bytes.length, claimedBytes);
        const { head, tail } = filePieces(bytes, 1 + (claimedBytes % bytes.length));
        expect(PreflightAnswer.safeParse(await ask({ head, tail, sizeBytes })).error).toBeUndefined();
      },
    );
    await fc.assert(property, tried(2000));
  });

  it('is not worn out by tables that promise millions', async () => {
    // One row of 24 bytes speaks of as many pictures of one byte as a forger likes, in a file as large as it says.
    const file = smallMp4();
    const stsz = indexOf(file, 'stsz');
    const view = new DataView(file.buffer);
    view.setUint32(stsz + 8, 1);
    view.setUint32(stsz + 12, 0xffffffff);
    view.setUint32(indexOf(file, 'stts') + 12, 0xffffffff);
    const answer = await ask({ ...filePieces(file), sizeBytes: 2 ** 41 });
    expect(codesOf(answer.reasons)).toEqual(['times_not_settled']);
  });
});

function indexOf(file: Uint8Array, type: string): number {
  return Buffer.from(file).indexOf(type);
}

/** Four pictures of VP9, 40 ms each. */
function tinyMatroska(): Uint8Array {
  const element = (id: number[], ...body: number[]) => [
    ...id,
    0x40 | (body.length >> 8),
    body.length & 255,
    ...body,
  ];
  const block = (time: number) => element([0xa3], 0x81, 0, time, 0x80, 1, 2, 3);
  const video = element([0xe0], ...element([0xb0], 1, 64), ...element([0xba], 180));
  const codec = element([0x86], ...Buffer.from('V_VP9'));
  const track = element([0xae], ...element([0xd7], 1), ...element([0x83], 1), ...codec, ...video);
  const cluster = element(
    [0x1f, 0x43, 0xb6, 0x75],
    ...element([0xe7], 0),
    ...[0, 40, 80, 120].flatMap(block),
  );
  const tracks = element([0x16, 0x54, 0xae, 0x6b], ...track);
  const docType = element([0x42, 0x82], ...Buffer.from('webm'));
  return Uint8Array.from([
    ...element([0x1a, 0x45, 0xdf, 0xa3], ...docType),
    ...element([0x18, 0x53, 0x80, 0x67], ...tracks, ...cluster),
  ]);
}
