// A frame of a media stream: 32 bytes of header, big-endian, then a piece of an init segment or of a fragment.
//
//   0 u8  version (1)            8 u32 mark, to be told with the next credit   24 u32 offset of the piece
//   1 u8  track: 0 video 1 audio 12 u32 segment                                28 u32 size of the whole
//   2 u8  kind: 0 init 1 media   16 f64 seconds at which the fragment is decoded
//   3 u8  reserved
//   4 u32 epoch

export const FRAME_HEADER_BYTES = 32;
const VERSION = 1;

export type StreamTrack = 'video' | 'audio';

export type StreamFrame = {
  track: StreamTrack;
  isInit: boolean;
  /** Counts positions: what belongs to an earlier one than the last `at` told is out of date. */
  epoch: number;
  mark: number;
  segment: number;
  seconds: number;
  offsetBytes: number;
  /** Of the init segment or fragment that the payload is a piece of. */
  sizeBytes: number;
  payload: Uint8Array;
};

export function encodeFrame(frame: StreamFrame): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + frame.payload.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, frame.track === 'video' ? 0 : 1);
  view.setUint8(2, frame.isInit ? 0 : 1);
  view.setUint32(4, frame.epoch);
  view.setUint32(8, frame.mark);
  view.setUint32(12, frame.segment);
  view.setFloat64(16, frame.seconds);
  view.setUint32(24, frame.offsetBytes);
  view.setUint32(28, frame.sizeBytes);
  bytes.set(frame.payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** @throws RangeError for what is no frame */
export function decodeFrame(bytes: ArrayBuffer): StreamFrame {
  const view = new DataView(bytes);
  if (view.getUint8(0) !== VERSION) throw new RangeError('no frame of this version');
  return {
    track: view.getUint8(1) === 0 ? 'video' : 'audio',
    isInit: view.getUint8(2) === 0,
    epoch: view.getUint32(4),
    mark: view.getUint32(8),
    segment: view.getUint32(12),
    seconds: view.getFloat64(16),
    offsetBytes: view.getUint32(24),
    sizeBytes: view.getUint32(28),
    payload: new Uint8Array(bytes, FRAME_HEADER_BYTES),
  };
}
