// Durable Object, one per region: reads the beginnings of videos through the same cache path as viewers, from where
// it lives. The Cache API is a data centre's own, so what is warm afterwards is that one, and no other of its region.
import { DurableObject } from 'cloudflare:workers';
import { AppError } from '../../shared/errors.ts';
import { HOUR_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { createLog, errorFields, type Log } from '../../shared/log.ts';
import { ManifestTracks } from '../../shared/manifest-tracks.ts';
import { TRACKS } from '../../shared/object-keys.ts';
import type { PrewarmProgress } from '../../shared/prewarm-api.ts';
import type { Env } from '../env.ts';
import { getObject, hasBody } from '../r2.ts';
import { openMedia } from './edge-cache.ts';
import { edgeTtlSeconds } from './popularity.ts';
import { openingNames } from './prewarm-names.ts';

export type PrewarmOrder = { prefix: string; seconds: number; manifestRevision: number };

type Task = PrewarmOrder & Omit<PrewarmProgress, 'region' | 'state'> & { isDone: boolean; atMs: number };

const TASK_PREFIX = 'task:';
/** Objects in memory at a time: a whole one may be 32 of the 128 MB there are. */
const CONCURRENCY = 2;
/** The same order again within this time is the same work; the edge keeps what it has for a day at least. */
const DONE_KEPT_MS = 12 * HOUR_SECONDS * SECOND_MS;
const MAX_TASKS = 1000;

export class PrewarmRegion extends DurableObject<Env> {
  /** Takes an order, or says how far the same one is. */
  async begin(order: PrewarmOrder): Promise<Omit<PrewarmProgress, 'region'>> {
    const nowMs = Date.now();
    this.#prune(nowMs);
    const known = this.#taskOf(order.prefix);
    const isKnown =
      known && known.seconds >= order.seconds && known.manifestRevision === order.manifestRevision;
    if (isKnown) return progressOf(known);
    const task: Task = { ...order, warmed: 0, failed: 0, isDone: false, atMs: nowMs };
    this.#keep(task);
    await this.ctx.storage.setAlarm(nowMs);
    return progressOf(task);
  }

  /** Works off all orders. What is warm already costs a look on the way when a run is repeated. */
  override async alarm(): Promise<void> {
    const log = createLog({ prewarm: this.ctx.id.name });
    for (let task = this.#next(); task; task = this.#next()) {
      try {
        await this.#perform(task, log);
      } catch (error) {
        log.warn('prewarm.failed', { prefix: task.prefix, ...errorFields(error) });
        this.#keep({ ...task, failed: task.failed + 1, isDone: true });
      }
    }
  }

  async #perform(task: Task, log: Log): Promise<void> {
    const names = openingNames(
      await tracksUnder(task.prefix, this.env.MEDIA),
      task.seconds,
      task.manifestRevision,
    );
    const progress = { ...task, total: names.length, warmed: 0, failed: 0 };
    this.#keep(progress);
    const walk = async () => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        const isWarm = await this.#warm(task.prefix, name, log);
        if (isWarm) progress.warmed += 1;
        else progress.failed += 1;
        this.#keepUnlessReplaced(progress);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, walk));
    progress.isDone = true;
    this.#keepUnlessReplaced(progress);
    const { prefix, total, warmed, failed } = progress;
    log.info('prewarm.done', { prefix, total, warmed, failed });
  }

  async #warm(prefix: string, name: string, log: Log): Promise<boolean> {
    const behind: Promise<unknown>[] = [];
    const waitUntil = (work: Promise<unknown>) => void behind.push(work);
    try {
      const { MEDIA: bucket, DB: db } = this.env;
      const ttlSeconds = edgeTtlSeconds(prefix, { db, log, nowMs: Date.now(), waitUntil });
      const media = await openMedia(prefix + name, { bucket, cache: caches.default, ttlSeconds, waitUntil });
      await media.discard();
      // Only what the cache has taken is warm.
      for (const work of behind) await work;
      return true;
    } catch (error) {
      await Promise.allSettled(behind);
      log.warn('prewarm.object_failed', { key: prefix + name, ...errorFields(error) });
      return false;
    }
  }

  #taskOf(prefix: string): Task | undefined {
    return this.ctx.storage.kv.get<Task>(TASK_PREFIX + prefix);
  }

  #keep(task: Task): void {
    this.ctx.storage.kv.put(TASK_PREFIX + task.prefix, task);
  }

  /** A longer order may have come for the same prefix meanwhile; that one then runs next. */
  #keepUnlessReplaced(task: Task): void {
    if (this.#taskOf(task.prefix)?.atMs === task.atMs) this.#keep(task);
  }

  #next(): Task | undefined {
    for (const [, task] of this.#tasks()) if (!task.isDone) return task;
    return undefined;
  }

  #prune(nowMs: number): void {
    const tasks = [...this.#tasks()].sort(([, a], [, b]) => b.atMs - a.atMs);
    for (const [place, [key, task]] of tasks.entries()) {
      if (place >= MAX_TASKS || (task.isDone && task.atMs < nowMs - DONE_KEPT_MS)) {
        this.ctx.storage.kv.delete(key);
      }
    }
  }

  #tasks(): Iterable<[string, Task]> {
    return this.ctx.storage.kv.list<Task>({ prefix: TASK_PREFIX });
  }
}

function progressOf({ total, warmed, failed, isDone }: Task): Omit<PrewarmProgress, 'region'> {
  const state = isDone ? 'done' : total === undefined ? 'queued' : 'running';
  return { state, warmed, failed, ...(total !== undefined && { total }) };
}

async function tracksUnder(prefix: string, bucket: R2Bucket): Promise<ManifestTracks> {
  const stored = await getObject(bucket, prefix + TRACKS);
  if (!stored || !hasBody(stored)) throw new AppError('not_found');
  return ManifestTracks.parse(await stored.json());
}
