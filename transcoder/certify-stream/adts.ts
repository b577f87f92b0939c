// AAC in ADTS frames (ISO/IEC 13818-7 §6.2), as MPEG-TS and packed audio carry it.
export type AdtsFacts = {
  frames: number;
  objectType: number;
  sampleRate: number;
  channels: number;
  frameSamples: number;
};

const RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
const HEADER_BYTES = 7;
const SAMPLES_PER_BLOCK = 1024;

/** Undefined where the bytes are not whole ADTS frames from the first to the last. */
export function readAdts(bytes: Uint8Array): AdtsFacts | undefined {
  let frames = 0;
  let first: Omit<AdtsFacts, 'frames'> | undefined;
  for (let at = 0; at < bytes.length; ) {
    if (at + HEADER_BYTES > bytes.length || bytes[at] !== 0xff || (bytes[at + 1]! & 0xf6) !== 0xf0)
      return undefined;
    const [b2, b3, b4, b5, b6] = bytes.subarray(at + 2, at + HEADER_BYTES) as unknown as [
      number,
      number,
      number,
      number,
      number,
    ];
    const length = ((b3 & 3) << 11) | (b4 << 3) | (b5 >> 5);
    if (length < HEADER_BYTES || at + length > bytes.length) return undefined;
    const layout = ((b2 & 1) << 2) | (b3 >> 6);
    first ??= {
      objectType: (b2 >> 6) + 1,
      sampleRate: RATES[(b2 >> 2) & 15] ?? 0,
      channels: layout === 7 ? 8 : layout,
      frameSamples: SAMPLES_PER_BLOCK,
    };
    frames += (b6 & 3) + 1;
    at += length;
  }
  return first && first.sampleRate > 0 ? { frames, ...first } : undefined;
}
