import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startHealthServer } from '../../transcoder/health.ts';
import { DONE, stageTranscoder, until, untilStopped } from './transcoder-stage.ts';
import { claimOf, problem, ticketMessage } from './wire-stand-in.ts';

const stage = stageTranscoder();

describe('the loop', () => {
  test('greets first, then claims without waiting for a ticket, until there is nothing', async () => {
    stage.wire.claims.push(claimOf('chunk:0'), claimOf('chunk:1'));
    stage.start(async () => DONE);
    await until(() => stage.wire.to('/internal/done').length).toBe(2);
    await until(() => stage.wire.to('/messages/pull').length).toBeGreaterThan(1);
    expect(stage.wire.calls[0]?.path).toBe('/internal/hello');
    expect(stage.wire.to('/internal/claim').length).toBeGreaterThanOrEqual(3);
    expect(stage.wire.to('/internal/claim')[0]?.body).toEqual({ workerId: 'worker1', profile: 'profile1' });
  });

  test('acks a ticket at once, then claims', async () => {
    stage.start(async () => DONE);
    await until(() => stage.wire.to('/messages/pull').length).toBeGreaterThan(0);
    stage.wire.claims.push(claimOf('plan'));
    stage.wire.messages.push(ticketMessage('a'));
    await until(() => stage.wire.to('/internal/done').length).toBe(1);
    const order = stage.wire.calls.map(({ path }) => path);
    const ackAt = order.findIndex((path) => path.endsWith('/messages/ack'));
    expect(stage.wire.calls[ackAt]?.body.acks).toEqual([{ lease_id: 'lease-a' }]);
    expect(order.indexOf('/internal/claim', ackAt)).toBe(ackAt + 1);
  });

  test('acks a message that is no ticket, so that it does not come back for ever', async () => {
    stage.wire.messages.push(ticketMessage('bad', 'nonsense'));
    stage.start(async () => DONE);
    // Told once the ack has been answered.
    await until(() => stage.events.map(([event]) => event)).toContain('ticket.unreadable');
    expect(stage.wire.to('/messages/ack')).toHaveLength(1);
  });

  test('claims now and then without a ticket, should one have been lost', async () => {
    stage.start(async () => DONE, { idleClaimMs: 30 });
    await until(() => stage.wire.to('/internal/claim').length).toBeGreaterThan(1);
    stage.wire.claims.push(claimOf('chunk:0'));
    await until(() => stage.wire.to('/internal/done').length).toBe(1);
    expect(stage.wire.to('/messages/ack')).toEqual([]);
  });

  test('runs as many tasks at a time as it has slots, and asks for no tickets while they are full', async () => {
    const gates = new Map<string, PromiseWithResolvers<void>>();
    stage.wire.claims.push(...['chunk:0', 'chunk:1', 'chunk:2'].map((name) => claimOf(name)));
    const { consumer } = stage.start(
      async ({ claim }) => {
        const gate = Promise.withResolvers<void>();
        gates.set(claim.task.name, gate);
        await gate.promise;
        return DONE;
      },
      { slots: 2 },
    );
    await until(() => gates.size).toBe(2);
    expect(consumer.running()).toEqual(['job1/chunk:0', 'job1/chunk:1']);
    await delay(100);
    expect(gates.size).toBe(2);
    expect(stage.wire.to('/messages/pull')).toEqual([]);
    gates.get('chunk:0')?.resolve();
    await until(() => gates.size).toBe(3);
    for (const gate of gates.values()) gate.resolve();
    await until(() => stage.wire.to('/internal/done').length).toBe(3);
  });

  test('waits out a ledger and a queue that are down', async () => {
    let isDown = true;
    stage.wire.override = () => (isDown ? problem(503, 'database_unavailable') : undefined);
    stage.wire.claims.push(claimOf('chunk:0'));
    stage.start(async () => DONE);
    await until(() => stage.wire.to('/internal/hello').length).toBeGreaterThan(3);
    isDown = false;
    await until(() => stage.wire.to('/internal/done').length).toBe(1);
  });
});

describe('draining', () => {
  test('stops every task, gives its lease back and claims no more', async () => {
    stage.wire.claims.push(claimOf('chunk:0'), claimOf('chunk:1'), claimOf('chunk:2'));
    const { consumer } = stage.start(untilStopped, { slots: 2 });
    await until(() => consumer.running().length).toBe(2);
    stage.drain.abort();
    await consumer.finished;
    expect(
      stage.wire
        .to('/internal/release')
        .map(({ token }) => token)
        .sort(),
    ).toEqual(['token-of-chunk:0', 'token-of-chunk:1']);
    expect(stage.wire.to('/internal/fail')).toEqual([]);
    expect(stage.wire.claims).toHaveLength(1);
    expect(consumer.running()).toEqual([]);
    // The job's cache of the source goes a moment after its last task.
    await until(() => readdir(stage.scratch.directory)).toEqual([]);
  });

  test('lets a task finish the segment in the making, then gives it back', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    const segment = Promise.withResolvers<void>();
    const { consumer } = stage.start(
      async (context) => {
        await segment.promise;
        context.signal.throwIfAborted();
        await context.commit(1);
        return untilStopped(context);
      },
      { drainSeconds: 60 },
    );
    await until(() => consumer.running().length).toBe(1);
    stage.drain.abort();
    segment.resolve();
    await consumer.finished;
    expect(stage.wire.to('/internal/commit')).toHaveLength(1);
    expect(stage.wire.to('/internal/release')).toHaveLength(1);
    expect(stage.wire.to('/internal/fail')).toEqual([]);
  });

  test('lets a task end that has nothing more to store', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    const end = Promise.withResolvers<void>();
    const { consumer } = stage.start(async () => end.promise.then(() => DONE), { drainSeconds: 60 });
    await until(() => consumer.running().length).toBe(1);
    stage.drain.abort();
    end.resolve();
    await consumer.finished;
    expect(stage.wire.to('/internal/done')).toHaveLength(1);
    expect(stage.wire.to('/internal/release')).toEqual([]);
  });

  test('gives back a task that does not hear of it, such as one that waits for silent storage', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    const { consumer } = stage.start(() => new Promise(() => {}));
    await until(() => consumer.running().length).toBe(1);
    stage.drain.abort();
    await consumer.finished;
    expect(stage.wire.to('/internal/release')).toHaveLength(1);
    expect(stage.wire.to('/internal/fail')).toEqual([]);
  });

  test('gives back a task whose claim was answered too late', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    stage.wire.override = ({ path }) => {
      if (path === '/internal/claim') stage.drain.abort();
      return undefined;
    };
    const { consumer } = stage.start(async () => DONE);
    await consumer.finished;
    expect(stage.wire.to('/internal/release')).toHaveLength(1);
    expect(stage.wire.to('/internal/done')).toEqual([]);
  });

  test('shows in the health of the process', async () => {
    const state = { workerId: 'worker1', slots: 2, running: ['job1/chunk:0'], isDraining: false };
    await using server = await startHealthServer({ host: '127.0.0.1', port: 0 }, () => state);
    const url = `http://127.0.0.1:${server.port}/healthz`;
    const well = await fetch(url);
    expect([well.status, await well.json()]).toEqual([200, state]);
    state.isDraining = true;
    expect((await fetch(url)).status).toBe(503);
    expect((await fetch(`${url}/other`)).status).toBe(404);
  });
});
