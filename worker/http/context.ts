// What every request carries through the app.
import type { Role } from '../../shared/api.ts';
import type { Log } from '../../shared/log.ts';
import type { TraceContext } from '../../shared/trace-context.ts';
import type { Config, Env } from '../env.ts';

/** Who is asking. `ownerId` scopes every query; a guest of a watch link may touch `onlyVideoId` alone. */
export type Caller = {
  ownerId: string;
  role: Role;
  via: 'jwt' | 'api-key' | 'watch-link';
  /** The person a JWT speaks of. */
  subject?: string;
  onlyVideoId?: string;
  /** Of the request: what it begins is followed by it. */
  traceparent?: string;
};

export type AppEnv = {
  Bindings: Env;
  Variables: {
    config: Config;
    requestId: string;
    log: Log;
    /** Absent where media is asked for. */
    trace?: TraceContext;
    caller: Caller;
    /** Set by an Idempotency-Key: the id of what the request makes. */
    resourceId?: string;
  };
};
