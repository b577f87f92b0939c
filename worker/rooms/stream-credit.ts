// How much one stream may send. The platform tells nobody how much a socket still holds, so a client grants bytes, and
// proves what it has read by the mark of a frame: what is granted and what is unread never exceed the window together.
import { AppError } from '../../shared/errors.ts';
import { STREAM_WINDOW_BYTES } from '../../shared/stream-api.ts';

type Sent = { mark: number; bytes: number };

export class StreamCredit {
  #balanceBytes = 0;
  #unreadBytes = 0;
  readonly #sent: Sent[] = [];
  #lastRead: number | undefined;

  get balanceBytes(): number {
    return this.#balanceBytes;
  }

  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /**
   * @param mark of the last frame that was read
   * @throws AppError `invalid_request` for a mark of no frame that is under way, `stream_credit_exceeded`
   */
  grant(bytes: number, mark: number | undefined): void {
    if (mark !== undefined) this.#read(mark);
    if (this.#unreadBytes + this.#balanceBytes + bytes > STREAM_WINDOW_BYTES) {
      throw new AppError('stream_credit_exceeded', {
        detail: `At most ${STREAM_WINDOW_BYTES} bytes may be granted or unread at a time.`,
      });
    }
    this.#balanceBytes += bytes;
  }

  /** Takes what a frame costs. @returns the frame's mark */
  spend(bytes: number): number {
    if (bytes > this.#balanceBytes) throw new Error('a frame costs more than was granted');
    const [mark] = crypto.getRandomValues(new Uint32Array(1)) as unknown as [number];
    this.#balanceBytes -= bytes;
    this.#unreadBytes += bytes;
    this.#sent.push({ mark, bytes });
    return mark;
  }

  #read(mark: number): void {
    if (mark === this.#lastRead) return;
    const index = this.#sent.findIndex((sent) => sent.mark === mark);
    if (index < 0) {
      throw new AppError('invalid_request', { detail: 'This mark is of no frame that is under way.' });
    }
    for (const { bytes } of this.#sent.splice(0, index + 1)) this.#unreadBytes -= bytes;
    this.#lastRead = mark;
  }
}
