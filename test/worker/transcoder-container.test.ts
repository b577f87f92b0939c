import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Env } from '../../worker/env.ts';
import { keepContainerAwake, wakeTranscoders } from '../../worker/jobs/transcoder-container.ts';
import { clearTasks, env, log, mustClaim, newJob } from './ledger-fixtures.ts';

beforeEach(clearTasks);

/** Bindings whose containers remember what they were asked; one named in `broken` refuses to start. */
function withContainers(options: { containers?: 'on' | 'off'; broken?: string } = {}) {
  const woken: string[] = [];
  const keptAwake: string[] = [];
  const stubOf = (name: string) => ({
    wake: vi.fn(async (workerId: string) => {
      if (name === options.broken) throw new Error('there is no container instance');
      woken.push(workerId);
    }),
    keepAwake: vi.fn(async () => void keptAwake.push(name)),
  });
  const TRANSCODERS = { idFromName: (name: string) => name, get: stubOf };
  const bindings = { ...env, CONTAINERS: options.containers ?? 'on', TRANSCODERS } as unknown as Env;
  return { env: bindings, woken, keptAwake };
}

describe('waking containers', () => {
  test('starts one per four ready tasks, five at most, and none for work in hand', async () => {
    const jobs = [await newJob(), await newJob(), await newJob(), await newJob(), await newJob()];
    const some = withContainers();
    await wakeTranscoders(some.env, log);
    expect(some.woken).toEqual(['container-0', 'container-1']);

    for (let count = jobs.length; count > 0; count--) await mustClaim();
    const none = withContainers();
    await wakeTranscoders(none.env, log);
    expect(none.woken).toEqual([]);

    await Promise.all(Array.from({ length: 24 }, () => newJob()));
    const all = withContainers();
    await wakeTranscoders(all.env, log);
    expect(all.woken).toHaveLength(5);
  });

  test('does nothing where containers are off', async () => {
    await newJob();
    const off = withContainers({ containers: 'off' });
    await wakeTranscoders(off.env, log);
    expect(off.woken).toEqual([]);
    const on = withContainers();
    await wakeTranscoders(on.env, log);
    expect(on.woken).toEqual(['container-0']);
  });

  test('goes on when one does not start', async () => {
    await Promise.all(Array.from({ length: 5 }, () => newJob()));
    const containers = withContainers({ broken: 'container-0' });
    await wakeTranscoders(containers.env, log);
    expect(containers.woken).toEqual(['container-1']);
  });
});

test('a heartbeat keeps a container awake, and leaves other transcoders alone', async () => {
  const containers = withContainers();
  await keepContainerAwake(containers.env, 'laptop-7', log);
  await keepContainerAwake(containers.env, 'container-3', log);
  expect(containers.keptAwake).toEqual(['container-3']);
});
