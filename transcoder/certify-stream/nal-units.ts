// NAL units of H.264 and HEVC, as far as they tell a picture that decoding can begin with.

/** How NAL units are told apart, and the bytes of the length before each. */
export type NalForm = { family: 'avc' | 'hevc'; lengthBytes: number };

/** Types of the NAL units that fill a length-prefixed sample; undefined where the lengths do not add up. */
export function nalTypesOf(sample: Uint8Array, form: NalForm): number[] | undefined {
  const types: number[] = [];
  for (let at = 0; at < sample.length; ) {
    let length = 0;
    for (let index = 0; index < form.lengthBytes; index++)
      length = length * 256 + (sample[at + index] ?? Number.NaN);
    at += form.lengthBytes;
    if (!(at + length <= sample.length)) return undefined;
    if (length > 0) types.push(nalType(sample[at]!, form.family));
    at += length;
  }
  return types;
}

export function nalType(header: number, family: NalForm['family']): number {
  return family === 'avc' ? header & 0x1f : (header >> 1) & 0x3f;
}

/** IDR of H.264; any intra random access point of HEVC (BLA, IDR, CRA). */
export function isKeyNal(type: number, family: NalForm['family']): boolean {
  return family === 'avc' ? type === 5 : type >= 16 && type <= 21;
}

/** NAL units behind the start codes of Annex B. */
export function* annexBUnits(bytes: Uint8Array): Generator<Uint8Array> {
  let start = -1;
  for (let at = 0; at + 2 < bytes.length; at++) {
    if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) continue;
    if (start >= 0) yield bytes.subarray(start, at);
    start = at + 3;
    at += 2;
  }
  if (start >= 0) yield bytes.subarray(start);
}
