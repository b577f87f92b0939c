// Waiting for a file that another process is writing, without asking the disk all the time: the kernel tells of
// writes, and a look now and then covers what it may not tell.
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Between two looks at a file whose writes the kernel tells of. */
const WATCHED_LOOK_MS = 1000;
/** What is written comes in bursts of small writes; one look after the burst is worth as much as one for each. */
const BURST_MS = 20;

export class FileGrowth implements Disposable {
  #watcher: FSWatcher | undefined;
  #hasNews = false;
  #wake: (() => void) | undefined;

  /** Begins to listen; where the kernel has no watch left to give, looking has to do. */
  listen(path: string): void {
    if (this.#watcher) return;
    try {
      this.#watcher = watch(path, { persistent: false }, () => this.tell());
      this.#watcher.on('error', () => this[Symbol.dispose]());
    } catch {
      this.#watcher = undefined;
    }
  }

  /** Something has happened: whoever waits looks again, and so does whoever is about to wait. */
  tell(): void {
    this.#hasNews = true;
    this.#wake?.();
  }

  /** To be called before a look at the file: news from here on ends the next wait at once. */
  lookNow(): void {
    this.#hasNews = false;
  }

  /** Until something happens, or it is time for another look: after `lookMs` where nobody tells. */
  async wait(lookMs: number): Promise<void> {
    if (this.#hasNews) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#watcher ? WATCHED_LOOK_MS : lookMs);
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
    clearTimeout(timer);
    if (this.#hasNews) await delay(BURST_MS);
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
