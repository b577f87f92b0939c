// What `env` of 'cloudflare:test' holds: the Worker's own bindings and the variables of the tests.
import type { D1Migration } from 'cloudflare:test';
import type { Env as WorkerEnv } from '../../worker/env.ts';

type Secrets = Record<'JWT_SECRET' | 'SIGNING_KEYS' | 'TRANSCODER_SECRET', string>;
type TestEnv = WorkerEnv & Secrets & { TEST_MIGRATIONS: D1Migration[] };

declare global {
  namespace Cloudflare {
    interface Env extends TestEnv {}
  }
}
