// One JSON line per event. The only place that writes to the console.

export type LogFields = Record<string, unknown>;

export type Log = {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds `fields` (ids, mostly) to every line. */
  with(fields: LogFields): Log;
};

export function createLog(bound: LogFields = {}): Log {
  const write = (level: 'info' | 'warn' | 'error', event: string, fields: LogFields = {}) => {
    const line = { event, level, at: new Date().toISOString(), ...bound, ...fields };
    console[level](JSON.stringify(line, (_key, value) => redact(value)));
  };
  return {
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
    with: (fields) => createLog({ ...bound, ...fields }),
  };
}

/** Fields of an unknown error that are safe and useful in a log. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) };
  const cause = error.cause === undefined ? {} : { cause: errorFields(error.cause) };
  return { error: error.message, stack: error.stack, ...cause };
}

const SECRETS: [RegExp, string][] = [
  // What shared/sign.ts makes, JSON Web Tokens and API keys, wherever they stand.
  [/\bv1\.[\w-]{1,16}\.[\w-]{8,}\.[\w-]+/g, '[token]'],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '[token]'],
  [/\brk_[0-9a-f]{32}_[\w-]+/g, '[key]'],
  [/([?&](?:X-Amz-[A-Za-z-]+|ticket|token)=)[^&\s"]+/gi, '$1[redacted]'],
  [/(Bearer\s+)[A-Za-z0-9._~+/=-]+/gi, '$1[redacted]'],
];

/** Playback tokens, presigned signatures and credentials never reach a log line. */
export function redact(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return SECRETS.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), value);
}
