import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Env } from '../../worker/env.ts';
import { keepContainerAwake, Transcoder, wakeTranscoders } from '../../worker/jobs/transcoder-container.ts';
import { clearTasks, env, log, mustClaim, newJob } from './ledger-fixtures.ts';

beforeEach(clearTasks);

/** What the image cannot do without, beside the secret that is always there. */
const IMAGE_VARIABLES = {
  REELAY_URL: 'https://reelay.example',
  QUEUE_ACCOUNT_ID: 'account',
  QUEUE_ID: 'queue',
  QUEUE_TOKEN: 'token',
};

/** Bindings whose containers remember what they were asked; one named in `broken` refuses to start. */
function withContainers(options: { broken?: string; variables?: Record<string, unknown> } = {}) {
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
  const variables = { CONTAINERS: 'on', ...IMAGE_VARIABLES, ...options.variables };
  const bindings = { ...env, ...variables, TRANSCODERS } as unknown as Env;
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

  test('starts another one for work that waits behind busy containers', async () => {
    for (let count = 0; count < 6; count++) await newJob();
    for (let count = 0; count < 4; count++) await mustClaim('container-0');
    const containers = withContainers();
    await wakeTranscoders(containers.env, log);
    expect(containers.woken, 'two wait, four are in hand').toEqual(['container-0', 'container-1']);
  });

  test('does not count what transcoders elsewhere have in hand', async () => {
    for (let count = 0; count < 6; count++) await newJob();
    for (let count = 0; count < 4; count++) await mustClaim('laptop-7');
    const containers = withContainers();
    await wakeTranscoders(containers.env, log);
    expect(containers.woken).toEqual(['container-0']);
  });

  test('starts no more than MAX_CONTAINERS', async () => {
    await Promise.all(Array.from({ length: 24 }, () => newJob()));
    const few = withContainers({ variables: { MAX_CONTAINERS: '2' } });
    await wakeTranscoders(few.env, log);
    expect(few.woken).toHaveLength(2);
  });

  test.each(Object.keys(IMAGE_VARIABLES))('starts none without %s, and says so', async (name) => {
    await newJob();
    const lacking = withContainers({ variables: { [name]: undefined } });
    const error = vi.fn();
    await wakeTranscoders(lacking.env, { ...log, error });
    expect(lacking.woken).toEqual([]);
    expect(error).toHaveBeenCalledWith('container.not_configured', { missing: [name] });
    const whole = withContainers();
    await wakeTranscoders(whole.env, log);
    expect(whole.woken).toEqual(['container-0']);
  });

  test('does nothing where containers are off', async () => {
    await newJob();
    const off = withContainers({ variables: { CONTAINERS: 'off' } });
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

describe('a container nobody has heard of for a while', () => {
  /** The class as the platform holds it: a running container behind a port. */
  function quietContainer(health: () => Response | Promise<Response>, running = true) {
    const fetch = vi.fn(async () => health());
    const self = {
      ctx: { container: { running, getTcpPort: () => ({ fetch }) } },
      stop: vi.fn(async () => {}),
      renewActivityTimeout: vi.fn(),
    };
    const expire = () => Transcoder.prototype.onActivityExpired.call(self as unknown as Transcoder);
    return { ...self, expire, fetch };
  }

  test('is told to end when it has nothing in hand', async () => {
    const idle = quietContainer(() => Response.json({ running: [] }));
    await idle.expire();
    expect(idle.stop).toHaveBeenCalledOnce();
    expect(idle.renewActivityTimeout).not.toHaveBeenCalled();
  });

  test('goes on when it says that it is at work', async () => {
    const busy = quietContainer(() => Response.json({ running: ['job/chunk-3'] }));
    await busy.expire();
    expect(busy.stop).not.toHaveBeenCalled();
    expect(busy.renewActivityTimeout).toHaveBeenCalledOnce();
  });

  test('is told to end when it does not answer', async () => {
    const silent = quietContainer(() => Promise.reject(new Error('the container is not listening')));
    await silent.expire();
    expect(silent.stop).toHaveBeenCalledOnce();
  });

  test('is left alone when it has ended', async () => {
    const ended = quietContainer(() => Response.json({ running: [] }), false);
    await ended.expire();
    expect(ended.fetch).not.toHaveBeenCalled();
    expect(ended.stop).not.toHaveBeenCalled();
  });
});
