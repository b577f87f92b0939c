// The fragments of a stored segment: runs of boxes that each end with an `mdat` (ISO/IEC 14496-12 §8.8). Together they
// are the segment, byte for byte.

export type Fragment = {
  offsetBytes: number;
  sizeBytes: number;
  /** When its first sample is decoded, in the track's ticks; undefined where no `tfdt` says so. */
  decodeTicks: number | undefined;
};

const BOX_HEADER_BYTES = 8;
const LARGE_HEADER_BYTES = 16;

/** Bytes that are not boxes are one fragment: what is stored is sent. */
export function fragmentsOf(segment: Uint8Array): Fragment[] {
  const fragments: Fragment[] = [];
  let startBytes = 0;
  let decodeTicks: number | undefined;
  for (const { type, offsetBytes, headerBytes, sizeBytes } of boxesIn(segment, 0, segment.byteLength)) {
    const endBytes = offsetBytes + sizeBytes;
    if (type === 'moof') decodeTicks = decodeTicksIn(segment, offsetBytes + headerBytes, endBytes);
    if (type !== 'mdat') continue;
    fragments.push({ offsetBytes: startBytes, sizeBytes: endBytes - startBytes, decodeTicks });
    startBytes = endBytes;
    decodeTicks = undefined;
  }
  const restBytes = segment.byteLength - startBytes;
  const last = fragments.at(-1);
  if (restBytes > 0 && last) last.sizeBytes += restBytes;
  else if (!last) return [{ offsetBytes: 0, sizeBytes: segment.byteLength, decodeTicks: undefined }];
  return fragments;
}

type Box = { type: string; offsetBytes: number; headerBytes: number; sizeBytes: number };

/** Boxes one after another, as far as they fit. */
function* boxesIn(bytes: Uint8Array, fromBytes: number, endBytes: number): Generator<Box> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offsetBytes = fromBytes; offsetBytes + BOX_HEADER_BYTES <= endBytes; ) {
    const size = view.getUint32(offsetBytes);
    const isLarge = size === 1;
    if (isLarge && offsetBytes + LARGE_HEADER_BYTES > endBytes) return;
    const headerBytes = isLarge ? LARGE_HEADER_BYTES : BOX_HEADER_BYTES;
    const sizeBytes = isLarge ? Number(view.getBigUint64(offsetBytes + BOX_HEADER_BYTES)) : size;
    if (sizeBytes < headerBytes || offsetBytes + sizeBytes > endBytes) return;
    const type = String.fromCharCode(...bytes.subarray(offsetBytes + 4, offsetBytes + BOX_HEADER_BYTES));
    yield { type, offsetBytes, headerBytes, sizeBytes };
    offsetBytes += sizeBytes;
  }
}

/** moof > traf > tfdt (§8.8.12). */
function decodeTicksIn(bytes: Uint8Array, fromBytes: number, endBytes: number): number | undefined {
  for (const { type, offsetBytes, headerBytes, sizeBytes } of boxesIn(bytes, fromBytes, endBytes)) {
    const bodyBytes = offsetBytes + headerBytes;
    if (type === 'traf') return decodeTicksIn(bytes, bodyBytes, offsetBytes + sizeBytes);
    if (type !== 'tfdt' || sizeBytes < headerBytes + 8) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset + bodyBytes, sizeBytes - headerBytes);
    if (view.getUint8(0) === 0) return view.getUint32(4);
    return sizeBytes < headerBytes + 12 ? undefined : Number(view.getBigUint64(4));
  }
  return undefined;
}
