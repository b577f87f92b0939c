// Which request fails and how. The seed and the name of a request decide, not the moment it comes at: the third
// PUT of one segment of the seventh video meets the same fault in every run of a seed, however the processes run.
import { createHash } from 'node:crypto';

export type Fault = 'refused' | 'reply-lost' | 'slow' | 'truncated';

export type FaultRules = {
  /** Gives ids that differ from run to run the names under which they are always the same. */
  learn(id: string, name: string): void;
  /** What befalls this request, which is the next of its name. */
  faultOf(route: 'r2' | 'worker' | 'client', method: string, target: string): Fault | undefined;
  chance(name: string): number;
  end(): void;
};

/** Of a hundred requests. */
export type FaultRates = { r2: number; worker: number; client: number };

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

export function faultRulesOf(seed: number, rates: FaultRates): FaultRules {
  const names = new Map<string, string>();
  const times = new Map<string, number>();
  let isOver = false;
  const chance = (name: string) =>
    createHash('sha256').update(`${seed} ${name}`).digest().readUInt32BE() / 2 ** 32;
  return {
    learn: (id, name) => void names.set(id, name),
    chance,
    end: () => {
      isOver = true;
    },
    faultOf(route, method, target) {
      if (isOver) return undefined;
      const name = `${route} ${method} ${target.replaceAll(UUID, (id) => names.get(id) ?? '*')}`;
      const time = (times.get(name) ?? 0) + 1;
      times.set(name, time);
      if (chance(`${name} ${time}`) * 100 >= rates[route]) return undefined;
      const kinds: Fault[] =
        route === 'r2' && method === 'GET'
          ? ['refused', 'slow', 'truncated', 'truncated']
          : ['refused', 'reply-lost', 'reply-lost', 'slow'];
      return kinds[Math.floor(chance(`kind of ${name} ${time}`) * kinds.length)];
    },
  };
}
