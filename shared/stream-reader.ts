// The reading end of a media stream, whatever it is for: passes frames of the current position on and grants credit
// for what was taken. No timers, no DOM.
import type { StreamCommand, StreamMessage } from './stream-api.ts';
import { decodeFrame, FRAME_HEADER_BYTES, type StreamFrame } from './stream-frame.ts';

export type StreamSink = {
  frame(frame: StreamFrame): void;
  message(message: StreamMessage): void;
};

/** Credit is granted in lumps of this part of the window, so that grants are few. */
const GRANT_PART = 1 / 8;

export class StreamReader {
  readonly #send: (text: string) => void;
  readonly #sink: StreamSink;
  readonly #windowBytes: number;
  #epoch = 0;
  #mark: number | undefined;
  /** Taken and not yet granted anew. */
  #owedBytes = 0;
  #isHeld = false;

  constructor(send: (text: string) => void, sink: StreamSink, windowBytes: number) {
    this.#send = send;
    this.#sink = sink;
    this.#windowBytes = windowBytes;
  }

  /** Begins, with all of the window granted. */
  start(choice: { video?: string; audio?: string; positionSeconds?: number } = {}): void {
    this.say({ type: 'start', positionSeconds: 0, ...choice });
    this.say({ type: 'credit', bytes: this.#windowBytes });
  }

  say(command: StreamCommand): void {
    this.#send(JSON.stringify(command));
  }

  /** Text or bytes as they come; what belongs to an earlier position counts as taken and goes no further. */
  receive(data: string | ArrayBuffer): void {
    if (typeof data === 'string') {
      if (!data.startsWith('{')) return;
      const message = JSON.parse(data) as StreamMessage;
      if (message.type === 'at') this.#epoch = message.epoch;
      this.#sink.message(message);
      return;
    }
    const frame = decodeFrame(data);
    this.#mark = frame.mark;
    this.#owedBytes += FRAME_HEADER_BYTES + frame.payload.byteLength;
    if (frame.epoch === this.#epoch) this.#sink.frame(frame);
    this.#grant();
  }

  /** While held nothing new is granted: at most the window comes. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#grant();
  }

  #grant(): void {
    if (this.#isHeld || this.#mark === undefined || this.#owedBytes < this.#windowBytes * GRANT_PART) return;
    this.say({ type: 'credit', bytes: this.#owedBytes, mark: this.#mark });
    this.#owedBytes = 0;
  }
}
