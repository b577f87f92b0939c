// A session's token, renewed before it ends. Every URL of the session can be given the newest one.
import type { PlayAnswer } from '../../../../shared/play-api.ts';

export type Tokens = {
  session(): PlayAnswer;
  token(): string | undefined;
  /** The same address under the newest token. */
  freshen(url: string): string;
  renew(): Promise<PlayAnswer>;
  stop(): void;
};

type Renewal = { renew(sessionId: string): Promise<PlayAnswer> };

const RENEW_CHECK_MS = 15_000;
const RENEW_BEFORE_MS = 90_000;
const TOKEN_PATH = /\/p\/([^/]+)\//;

/** @param onRenewed is told of every renewal, for what keeps URLs of its own */
export function keepTokens(
  begun: PlayAnswer,
  api: Renewal,
  onRenewed: (session: PlayAnswer) => void = () => {},
): Tokens {
  let current = begun;
  const token = () => TOKEN_PATH.exec(current.hls ?? current.dash ?? '')?.[1];
  const renew = async () => {
    current = await api.renew(current.sessionId);
    onRenewed(current);
    return current;
  };
  // An interval, not one long timeout: a laptop that slept over its moment still gets there.
  const timer = setInterval(() => {
    if (Date.parse(current.expiresAt) - Date.now() < RENEW_BEFORE_MS) renew().catch(() => {});
  }, RENEW_CHECK_MS);
  return {
    session: () => current,
    token,
    freshen: (url) => url.replace(TOKEN_PATH, (path) => (token() === undefined ? path : `/p/${token()}/`)),
    renew,
    stop: () => clearInterval(timer),
  };
}
