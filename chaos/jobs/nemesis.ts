// Kills transcoders, stops some of them for longer than their lease and lets them go on as zombies, and kills the
// Worker. The seed sets the order; the progress of the jobs sets the pace, so that faults hit all of the run.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../../local/stack.ts';
import { shuffled } from '../../test/support/random.ts';
import { chanceOf } from '../seeded.ts';
import type { History } from './history.ts';
import type { Observer } from './observer.ts';

export type NemesisOptions = {
  seed: number;
  /** Uploads; cancelling, trying again and transcoding again makes more jobs of them. */
  jobs: number;
  kills: number;
  zombies: number;
  workerKills: number;
  transcoders: number;
  leaseSeconds: number;
};

export type Nemesis = {
  /** Resolves when every fault has been, and every zombie goes on. */
  finished: Promise<void>;
  stop(): Promise<void>;
};

type Deed = 'kill' | 'zombie' | 'worker';

/** Beyond the lease, so that the sweeper has taken the task away. */
const ZOMBIE_EXTRA_MS = 1500;
/** Of the jobs: the rest has the zombies that wake last. */
const SHARE_UNDER_FAULTS = 0.9;

export function startNemesis(
  stack: Stack,
  observer: Observer,
  options: NemesisOptions,
  { history, say }: { history: History; say: (line: string) => void },
): Nemesis {
  const chance = chanceOf(options.seed);
  const deeds = shuffled(
    [
      ...Array<Deed>(options.kills).fill('kill'),
      ...Array<Deed>(options.zombies).fill('zombie'),
      ...Array<Deed>(options.workerKills).fill('worker'),
    ],
    chance.next,
  );
  const alive = [...stack.transcoders];
  const asleep = new Set<Promise<void>>();
  const stopping = new AbortController();
  const { signal } = stopping;
  let places = Promise.resolve();

  const replace = async (place: number) => {
    alive[place] = await stack.startTranscoder();
  };

  const kill = async () => {
    const place = chance.between(0, alive.length - 1);
    const victim = alive[place]!;
    history.note('nemesis.kill', { name: victim.name });
    victim.kill('SIGKILL');
    await victim.ended;
    await replace(place);
  };

  /** Another one takes its place, and once the lease has lapsed it goes on where it was; then it is ended. */
  const sleepAndWake = async () => {
    const place = chance.between(0, alive.length - 1);
    const victim = alive[place]!;
    history.note('nemesis.stop', { name: victim.name });
    victim.kill('SIGSTOP');
    await replace(place);
    const waking = (async () => {
      const napMs = options.leaseSeconds * 1000 + ZOMBIE_EXTRA_MS;
      await sleep(napMs, undefined, { signal }).catch(() => undefined);
      history.note('nemesis.continue', { name: victim.name });
      victim.kill('SIGCONT');
      // Time to write what it still believes to be its own.
      await sleep(3000);
      await victim.stop(5);
    })();
    asleep.add(waking);
    void waking.finally(() => asleep.delete(waking));
  };

  const killWorker = async () => {
    history.note('nemesis.kill', { name: 'worker' });
    await stack.killWorker();
    await stack.startWorker();
    history.note('nemesis.worker_back');
  };

  const run = async () => {
    for (const [index, deed] of deeds.entries()) {
      const threshold = Math.floor((index * options.jobs * SHARE_UNDER_FAULTS) / deeds.length);
      while (observer.ended() < threshold && !signal.aborted) await sleep(100);
      await sleep(chance.between(0, 800), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const deedOf = { kill, zombie: sleepAndWake, worker: killWorker };
      places = deedOf[deed]();
      await places;
      if ((index + 1) % 10 === 0) {
        say(
          `${index + 1} of ${deeds.length} faults, ${observer.ended()} jobs ended, ${observer.open()} open`,
        );
      }
    }
    await Promise.all(asleep);
  };
  const finished = run();
  finished.catch(() => undefined);
  return {
    finished,
    stop: async () => {
      stopping.abort();
      await finished.catch(() => undefined);
      await Promise.all(asleep);
    },
  };
}
