// Where the header of a slice ends, against the reference: Shaka Packager leaves the same bytes clear in streams that
// use all that a header can hold.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readAvcRecord } from '../../transcoder/isobmff/avc-units.ts';
import { boxesIn, requireBox } from '../../transcoder/isobmff/boxes.ts';
import { encryptSegment, readSecrets } from '../../transcoder/isobmff/cenc-segment.ts';
import { avcConfigurationOf } from '../../transcoder/isobmff/codecs.ts';
import { readParameterSets, sliceHeaderBytes } from '../../transcoder/isobmff/h264-slice-header.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { encrypt } from '../support/packager.ts';

const KEY = { keyId: '00112233445566778899aabbccddeeff', key: Buffer.alloc(16, 7) };
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('slices');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([
  ['what we encode by default', ['-preset', 'veryfast']],
  [
    'pyramids of B-frames, weights and many references',
    ['-preset', 'slower', '-x264-params', 'weightp=2:ref=8:bframes=5'],
  ],
  ['several slices a picture', ['-preset', 'fast', '-x264-params', 'slices=4']],
  ['fields', ['-preset', 'medium', '-flags', '+ildct+ilme', '-x264-params', 'tff=1']],
  ['variable-length codes without B-frames', ['-preset', 'ultrafast']],
  ['4:4:4', ['-preset', 'fast', '-pix_fmt', 'yuv444p']],
])('is found in %s', async (name, options) => {
  const path = join(folder, `${name.replaceAll(/\W/g, '-')}.mp4`);
  const fade = 'testsrc2=s=320x180:r=25:d=2,fade=out:20:20';
  const fragmented = ['-movflags', '+cmaf+frag_keyframe+empty_moov+default_base_moof'];
  const format = options.includes('-pix_fmt') ? [] : ['-pix_fmt', 'yuv420p'];
  await ffmpeg([
    '-f',
    'lavfi',
    '-i',
    fade,
    '-c:v',
    'libx264',
    ...options,
    ...format,
    '-g',
    '25',
    ...fragmented,
    path,
  ]);
  const file = await readFile(path);
  const moov = requireBox(file, 'moov');
  const end = boxesIn(file).find(({ type }) => type === 'mfra')?.start ?? file.length;
  const record = readAvcRecord(avcConfigurationOf(file.subarray(0, moov.end))!);
  const parameterSets = readParameterSets(record.parameterSets);
  const layout = { lengthBytes: record.lengthBytes, parameterSets };
  const ours = encryptSegment(file.subarray(moov.end, end), KEY.key, layout, Buffer.alloc(8, 1));
  const theirs = await encrypt(path, 'video', KEY);
  expect(subsamplesIn(ours)).toHaveLength(50);
  expect(subsamplesIn(ours)).toEqual(subsamplesIn(theirs));
});

// Baseline with 4 bits of frame number, order type 2, frames alone; and the same with 16 bits.
const SPS = bits('67', '01000010 00000000 00011110 1 1 011 010 0 00100 00100 1 1');
const LONG_SPS = bits('67', '01000010 00000000 00011110 1 0001101 011 010 0 00100 00100 1 1');
const PPS = bits('68', '1 1 0 0 1 1 1 0 00 1 1 1 0 0 0 1');
const ARITHMETIC_PPS = bits('68', '1 1 1 0 1 1 1 0 00 1 1 1 0 0 0 1');
const DATA = ' 10101010'.repeat(8);

it('is refused where the slice names parameter sets that are not there, or ends within its header', () => {
  const slice = bits('65', `1 011 1 0000 1 00 1${DATA}`);
  const sets = readParameterSets([SPS, PPS]);
  expect(sliceHeaderBytes(slice, sets)).toBe(1 + 2);
  expect(() => sliceHeaderBytes(slice, readParameterSets([SPS]))).toThrow('parameter set');
  expect(() => sliceHeaderBytes(slice.subarray(0, 2), sets)).toThrow('cut short');
});

it('counts the state that arithmetic coding begins in', () => {
  // A P slice; its quantiser has nine bits.
  const slice = (state: string) => bits('61', `1 1 1 0000 0 0 0 ${state} 000010000${DATA}`);
  expect(sliceHeaderBytes(slice('1'), readParameterSets([SPS, ARITHMETIC_PPS]))).toBe(1 + 3);
  expect(sliceHeaderBytes(slice('1'), readParameterSets([SPS, PPS]))).toBe(1 + 2);
});

it('counts the bytes that keep a start code out', () => {
  // 31 bits, of which two bytes are zero.
  const plain = bits('65', `1 011 1 ${'0'.repeat(16)} 0001000 00 1${DATA}`);
  const escaped = Buffer.concat([plain.subarray(0, 4), Buffer.of(3), plain.subarray(4)]);
  expect(sliceHeaderBytes(escaped, readParameterSets([LONG_SPS, PPS]))).toBe(1 + 5);
});

function bits(header: string, payload: string): Buffer {
  const digits = payload.replaceAll(' ', '');
  const padded = digits.padEnd(Math.ceil(digits.length / 8) * 8, '0');
  return Buffer.from([
    Number.parseInt(header, 16),
    ...padded.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)),
  ]);
}

function subsamplesIn(file: Uint8Array) {
  return boxesIn(file)
    .filter(({ type }) => type === 'moof')
    .flatMap(({ start, end }) => readSecrets(file.subarray(start, end)).map(({ subsamples }) => subsamples));
}
