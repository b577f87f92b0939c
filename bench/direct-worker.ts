// The Worker as it is deployed, and a bare one beside it, each behind workerd's own socket: no proxy between, as
// `wrangler dev` has one.
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { type PlayClaims, parseSigningKeys, signToken } from '../shared/sign.ts';
import { TEST_BINDINGS } from '../test/support/test-bindings.ts';

const run = promisify(execFile);

/** As little as can be between a request and the same bytes of the same bucket. */
const BARE = `export default {
  async fetch(request, env) {
    const object = await env.MEDIA.get(new URL(request.url).pathname.slice(1));
    if (!object) return new Response(null, { status: 404 });
    return new Response(object.body, { headers: { 'Content-Length': String(object.size), ETag: object.httpEtag } });
  },
};`;

/** The Cache API of workers.dev: it is there and has no effect. Miniflare's own `cacheAPI: false` still calls out. */
const NO_CACHE = `Object.defineProperty(globalThis, 'caches', {
  value: { default: { match: async () => undefined, put: async () => {} } },
});`;

export type DirectWorkers = {
  /** Origins. `uncached` is ours where the Cache API has no effect. */
  ours: string;
  uncached: string;
  bare: string;
  put(key: string, bytes: Uint8Array): Promise<void>;
  stop(): Promise<void>;
};

/** @param folder for the bundle; the state is in memory */
export async function startDirectWorkers(folder: string): Promise<DirectWorkers> {
  await mkdir('worker/studio/dist', { recursive: true }); // the configuration names it
  await run('npx', ['wrangler', 'deploy', '--dry-run', '--containers-rollout=none', '--outdir', folder]);
  const script = await readFile(join(folder, 'index.js'), 'utf8');
  const shared = {
    modules: true as const,
    compatibilityDate: '2026-08-01',
    compatibilityFlags: ['nodejs_compat'],
    r2Buckets: { MEDIA: 'media' },
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
  };
  const bindings = { ...TEST_BINDINGS, R2_BUCKET_NAME: 'media' };
  const ours = { ...shared, script, bindings, d1Databases: { DB: 'db' } };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      log: new Log(LogLevel.ERROR),
      // Written down per request, as in production, and read by nobody.
      handleStructuredLogs: () => {},
      cf: false,
      workers: [
        { name: 'ours', ...ours },
        { name: 'uncached', ...ours, script: NO_CACHE + script },
        { name: 'bare', ...shared, script: BARE },
      ],
    }),
  );
  await miniflare.ready;
  const bucket = await miniflare.getR2Bucket('MEDIA', 'ours');
  const socketOf = async (name: string) => (await miniflare.unsafeGetDirectURL(name)).origin;
  return {
    ours: await socketOf('ours'),
    uncached: await socketOf('uncached'),
    bare: await socketOf('bare'),
    put: async (key, bytes) => {
      await bucket.put(key, bytes);
    },
    stop: () => miniflare.dispose(),
  };
}

/** A token of the Worker's test keys for everything under a prefix. */
export function benchToken(prefix: string): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const claims: PlayClaims = { pfx: prefix, use: 'play', exp, sid: crypto.randomUUID() };
  return signToken('play', claims, parseSigningKeys(TEST_BINDINGS.SIGNING_KEYS));
}
