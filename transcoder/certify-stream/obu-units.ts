// Open bitstream units of AV1 (AV1 Bitstream & Decoding Process Specification §5.3 and §5.9), as far as they tell a picture
// that decoding can begin with.

const FRAME_HEADER = 3;
const FRAME = 6;
const KEY_FRAME = 0;
/** A size is of eight bytes at most, seven bits in each. */
const MAX_SIZE_BYTES = 8;

/** Whether the first frame of a temporal unit is a key frame that is shown; undefined where its units do not add up. */
export function beginsWithKeyFrame(unit: Uint8Array): boolean | undefined {
  let isKey: boolean | undefined;
  for (let at = 0; at < unit.length; ) {
    const header = unit[at]!;
    const type = (header >> 3) & 0x0f;
    at += header & 0x04 ? 2 : 1;
    let sizeBytes = unit.length - at; // the last one needs none
    if (header & 0x02) {
      const size = readSize(unit, at);
      if (!size) return undefined;
      at += size.bytes;
      sizeBytes = size.value;
    }
    if (header & 0x80 || sizeBytes < 0 || at + sizeBytes > unit.length) return undefined;
    if (isKey === undefined && (type === FRAME || type === FRAME_HEADER)) isKey = isShownKey(unit[at] ?? 0);
    at += sizeBytes;
  }
  return isKey ?? false;
}

/** By show_existing_frame (1 bit), frame_type (2 bits) and show_frame (1 bit). */
function isShownKey(first: number): boolean {
  return (first & 0x80) === 0 && ((first >> 5) & 0x03) === KEY_FRAME && (first & 0x10) !== 0;
}

/** leb128(), §4.10.5. */
function readSize(bytes: Uint8Array, start: number): { value: number; bytes: number } | undefined {
  let value = 0;
  for (let index = 0; index < MAX_SIZE_BYTES; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if ((byte & 0x80) === 0) return { value, bytes: index + 1 };
  }
  return undefined;
}
