import { describe, expect, it } from 'vitest';
import type { StreamCommand } from '../../shared/stream-api.ts';
import { fragmentsOf } from '../../shared/stream-fragments.ts';
import { decodeFrame, encodeFrame, FRAME_HEADER_BYTES, type StreamFrame } from '../../shared/stream-frame.ts';
import { StreamReader } from '../../shared/stream-reader.ts';

const FRAME: StreamFrame = {
  ...{ track: 'audio', isInit: false, epoch: 3, mark: 0xffff_fffe, segment: 70_000, seconds: 12.345 },
  ...{ offsetBytes: 262_144, sizeBytes: 3_000_000_000, payload: Uint8Array.of(1, 2, 3) },
};

describe('a frame', () => {
  it('is read as it was written', () => {
    const bytes = encodeFrame(FRAME);
    expect(bytes.byteLength).toBe(FRAME_HEADER_BYTES + 3);
    expect(decodeFrame(bytes.buffer)).toEqual(FRAME);
    expect(decodeFrame(encodeFrame({ ...FRAME, track: 'video', isInit: true }).buffer)).toMatchObject({
      ...{ track: 'video', isInit: true },
    });
  });

  it('of another version or too short is refused', () => {
    const bytes = encodeFrame(FRAME);
    bytes[0] = 2;
    expect(() => decodeFrame(bytes.buffer)).toThrow(RangeError);
    expect(() => decodeFrame(new ArrayBuffer(FRAME_HEADER_BYTES - 1))).toThrow(RangeError);
  });
});

describe('the reading end', () => {
  function reading(windowBytes = 8000) {
    const said: StreamCommand[] = [];
    const frames: StreamFrame[] = [];
    const sink = { frame: (frame: StreamFrame) => void frames.push(frame), message: () => {} };
    const reader = new StreamReader((text) => void said.push(JSON.parse(text)), sink, windowBytes);
    const frame = (epoch: number, mark: number, bytes: number) =>
      reader.receive(encodeFrame({ ...FRAME, epoch, mark, payload: new Uint8Array(bytes) }).buffer);
    return { said, frames, reader, frame };
  }

  it('grants the window at first, and then what it has taken, with the mark of the last frame', () => {
    const { said, frame, reader } = reading();
    reader.start({ positionSeconds: 5 });
    expect(said.splice(0)).toEqual([
      { type: 'start', positionSeconds: 5 },
      { type: 'credit', bytes: 8000 },
    ]);
    reader.receive('{"type":"at","epoch":1,"positionSeconds":4}');
    frame(1, 11, 500);
    expect(said).toEqual([]);
    frame(1, 12, 600);
    expect(said).toEqual([{ type: 'credit', bytes: 1100 + 2 * FRAME_HEADER_BYTES, mark: 12 }]);
  });

  it('passes on what is of the position it was told, and takes the rest', () => {
    const { said, frame, frames, reader } = reading();
    reader.receive('{"type":"at","epoch":2,"positionSeconds":4}');
    frame(1, 21, 2000);
    frame(2, 22, 10);
    expect(frames.map(({ mark }) => mark)).toEqual([22]);
    expect(said).toEqual([{ type: 'credit', bytes: 2000 + FRAME_HEADER_BYTES, mark: 21 }]);
  });

  it('grants nothing while it is held, and all it owes afterwards', () => {
    const { said, frame, reader } = reading();
    reader.hold(true);
    frame(0, 31, 4000);
    frame(0, 32, 3000);
    expect(said).toEqual([]);
    reader.hold(false);
    expect(said).toEqual([{ type: 'credit', bytes: 7000 + 2 * FRAME_HEADER_BYTES, mark: 32 }]);
  });
});

describe('fragments', () => {
  const box = (type: string, bytes: number, size = bytes) => {
    const whole = new Uint8Array(bytes);
    new DataView(whole.buffer).setUint32(0, size);
    whole.set(new TextEncoder().encode(type), 4);
    return whole;
  };
  const sizesOf = (...boxes: Uint8Array[]) =>
    fragmentsOf(new Uint8Array(Buffer.concat(boxes))).map(({ sizeBytes }) => sizeBytes);

  it('end with their media data, and are together all there is', () => {
    expect(
      sizesOf(box('styp', 16), box('moof', 20), box('mdat', 30), box('moof', 20), box('mdat', 9)),
    ).toEqual([66, 29]);
    expect(sizesOf(box('moof', 20), box('mdat', 30), box('free', 12))).toEqual([62]);
  });

  it('of bytes that are no boxes are one', () => {
    expect(sizesOf(new Uint8Array(50))).toEqual([50]);
    expect(sizesOf(box('moof', 20), box('mdat', 30, 31))).toEqual([50]);
    expect(sizesOf(box('moof', 20), box('mdat', 30), box('moof', 8, 7))).toEqual([58]);
    expect(sizesOf(new Uint8Array(0))).toEqual([0]);
  });
});
