// What /metrics and /v1/stats tell, read by a parser of Prometheus text that nobody here wrote.
import { env, SELF } from 'cloudflare:test';
import parsePrometheus from 'parse-prometheus-text-format';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { Stats } from '../../shared/metrics-api.ts';

import type { Env } from '../../worker/env.ts';
import { type Client, clientOf, codeOf, ORIGIN } from './api-client.ts';

type Family = {
  name: string;
  help: string;
  type: string;
  metrics: { value?: string; labels?: Record<string, string>; buckets?: Record<string, string>; count?: string; sum?: string }[];
};

let admin: Client;
beforeAll(async () => {
  admin = await clientOf('admin');
});

async function scrape(): Promise<string> {
  const answer = await admin.call('GET', '/metrics');
  expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, expect.stringContaining('version=0.0.4')]);
  return await answer.text();
}

async function families(): Promise<Map<string, Family>> {
  const parsed = parsePrometheus(await scrape()) as Family[];
  return new Map(parsed.map((family) => [family.name, family]));
}

describe('the metrics of the Worker', () => {
  it('are text that a parser reads', async () => {
    await admin.call('GET', '/v1/videos');
    const all = await families();
    expect(all.get('reelay_http_requests_total')?.metrics.length).toBeGreaterThan(0);
    const stats = await admin.json(200, 'GET', '/v1/stats');
    expect(Stats.parse(stats)).toEqual(stats);
  });
});
