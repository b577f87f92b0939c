// A transcoder whose clock is an hour off works like any other: leases are counted by the ledger and by time that
// passes, signatures by the time that storage tells.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLog } from '../../shared/log.ts';
import type { Claim } from '../../shared/messages.ts';
import { keepLease } from '../../transcoder/lease.ts';
import type { TaskLedger } from '../../transcoder/ledger-client.ts';
import { createR2 } from '../../transcoder/r2.ts';

const HOUR_MS = 3600_000;
const LONGEST_SKEW_MS = 15 * 60_000;
const PATIENCE = { timeout: 20_000 };

/** Time that nobody sets back. */
const trueTimeMs = () => performance.timeOrigin + performance.now();

const refusals: string[] = [];
const server = createServer((request, response) => {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(request.headers['x-amz-date'])) ?? [];
  const signedAtMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const date = new Date(trueTimeMs()).toUTCString();
  request.resume().once('end', () => {
    if (Math.abs(signedAtMs - trueTimeMs()) < LONGEST_SKEW_MS) {
      response
        .writeHead(200, { date, 'content-length': 5, etag: '"e"' })
        .end(request.method === 'HEAD' ? '' : 'bytes');
      return;
    }
    refusals.push(String(request.url));
    response
      .writeHead(403, { date, 'content-type': 'application/xml' })
      .end('<Error><Code>RequestTimeTooSkewed</Code><Message>The clock is off.</Message></Error>');
  });
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));
afterEach(() => {
  vi.useRealTimers();
});

function setClock(offsetMs: number): void {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(trueTimeMs() + offsetMs);
}

describe.each([-HOUR_MS, HOUR_MS])('a clock that is off by %i ms', (offsetMs) => {
  test('is corrected by the first refusal of storage, and the request goes on', async () => {
    setClock(offsetMs);
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const r2 = createR2({ endpoint, bucket: 'b', accessKeyId: 'id', secretAccessKey: 'secret' });
    refusals.length = 0;
    expect(String(await r2.get('key'))).toBe('bytes');
    expect(String(await r2.get('other'))).toBe('bytes');
    expect(refusals).toHaveLength(1);
  });

  test('does not end a lease, which no clock of the transcoder measures', async () => {
    let beats = 0;
    const ledger = {
      heartbeat: async () => {
        beats += 1;
        return { leaseSeconds: 1 };
      },
    } as unknown as TaskLedger;
    const lease = keepLease(ledger, { leaseSeconds: 1, heartbeatSeconds: 0.05 } as Claim, createLog());
    await vi.waitFor(() => expect(beats).toBeGreaterThan(1), PATIENCE);
    setClock(offsetMs);
    const before = beats;
    await vi.waitFor(() => expect(beats).toBeGreaterThan(before + 2), PATIENCE);
    expect(lease.signal.aborted).toBe(false);
    lease.stop();
  });
});
