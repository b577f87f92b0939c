// Looks at the ledger beside the running Worker, read-only, and notes every change of a job's end and of what a
// video points to.
import { setTimeout as sleep } from 'node:timers/promises';
import { type LocalDatabase, openDatabase } from '../local-state.ts';
import type { History } from './history.ts';

export type SeenJob = { id: string; videoId: string; state: string; seq: number; errorCode: string | null };

export type Observer = {
  jobs: Map<string, SeenJob>;
  /** Of those that an upload began, and which have ended. */
  ended(): number;
  /** Open ones. */
  open(): number;
  until(condition: () => boolean, timeoutMs: number, what: string): Promise<void>;
  stop(): Promise<void>;
};

type VideoRow = { id: string; state: string; job: string | null; seq: number };

const LOOK_MS = 250;
export const TERMINAL: readonly string[] = ['succeeded', 'failed', 'cancelled'];

export function startObserver(stateDirectory: string, history: History): Observer {
  const jobs = new Map<string, SeenJob>();
  const pointers = new Map<string, number>();
  const stopping = new AbortController();

  const look = (db: LocalDatabase) => {
    const rows = db.all<SeenJob>(
      'SELECT id, video_id AS videoId, state, seq, error_code AS errorCode FROM jobs',
    );
    for (const row of rows) {
      const before = jobs.get(row.id);
      if (before?.state !== row.state) history.note(`job.${row.state}`, { ...row });
      jobs.set(row.id, row);
    }
    // Rows of a deleted video may go between two looks.
    const present = new Set(rows.map(({ id }) => id));
    for (const job of jobs.values()) {
      if (present.has(job.id) || TERMINAL.includes(job.state)) continue;
      history.note('job.gone', { ...job });
      jobs.set(job.id, { ...job, state: 'cancelled' });
    }
    const videos = db.all<VideoRow>(
      'SELECT id, state, published_job AS job, published_seq AS seq FROM videos',
    );
    for (const { id, state, job, seq } of videos) {
      if (job !== null && pointers.get(id) !== seq) history.note('pointer', { videoId: id, state, job, seq });
      pointers.set(id, seq);
    }
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        using db = await openDatabase(stateDirectory, 'd1', { isReadOnly: true });
        while (!stopping.signal.aborted) {
          look(db);
          await sleep(LOOK_MS);
        }
      } catch (error) {
        // The Worker dies and comes back, and with it the files beside its database.
        history.note('observer.failed', { error: String(error) });
        await sleep(LOOK_MS);
      }
    }
  };
  const running = run();
  const isEnded = ({ state }: SeenJob) => TERMINAL.includes(state);
  const ended = () => [...jobs.values()].filter(isEnded).length;
  return {
    jobs,
    ended,
    open: () => jobs.size - ended(),
    until: async (condition, timeoutMs, what) => {
      const endMs = Date.now() + timeoutMs;
      while (!condition()) {
        if (Date.now() > endMs) {
          const open = [...jobs.values()].filter((job) => !isEnded(job)).map(({ id }) => id);
          throw new Error(`after ${timeoutMs / 1000} s still not: ${what}; open jobs: ${open.join(' ')}`);
        }
        await sleep(LOOK_MS);
      }
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
