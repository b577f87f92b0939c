// The studio's one way to the API: the signed-in token on every call, failures as ApiFailure.
import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiFailure } from './api-client.ts';
import { currentSession, signOut } from './session.ts';

export { ApiFailure } from './api-client.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * @param body an object goes as JSON; a Blob or text as it is.
 * @returns the JSON of the answer; undefined where it has none.
 * @throws ApiFailure
 */
export async function api<T = void>(method: Method, path: string, body?: unknown): Promise<T> {
  const token = currentSession()?.token;
  const isRaw = typeof body === 'string' || body instanceof Blob;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      cache: 'no-store',
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body === undefined || isRaw ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    });
  } catch {
    throw new ApiFailure(0, 'unreachable', 'The server cannot be reached.', 1);
  }
  if (response.ok) {
    const isJson = response.headers.get('Content-Type')?.includes('json');
    return (isJson ? await response.json() : undefined) as T;
  }
  const failure = await failureOf(response);
  // A token that is no longer taken: there is nothing to do but to sign in again.
  if (response.status === 401 && token !== undefined && token === currentSession()?.token) signOut();
  throw failure;
}

/** Address of a job's event stream, good for one connection. */
export async function jobEventsUrl(jobId: string): Promise<string> {
  const job = `/v1/jobs/${encodeURIComponent(jobId)}`;
  const { ticket } = await api<{ ticket: string }>('POST', `${job}/ticket`);
  const url = new URL(`${job}/events?ticket=${encodeURIComponent(ticket)}`, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

export type Loaded<T> = {
  data: T | undefined;
  failure: ApiFailure | undefined;
  isLoading: boolean;
  /** Asks again; what was there stays until the answer comes. */
  reload(): Promise<void>;
  set(data: T): void;
};

/** GETs a path and again when it changes; `undefined` asks nothing. */
export function useApi<T>(path: string | undefined): Loaded<T> {
  const [state, setState] = useState<{ path?: string; data?: T; failure?: ApiFailure }>({});
  const wanted = useRef(path);
  wanted.current = path;
  const reload = useCallback(async () => {
    if (path === undefined) return;
    try {
      const data = await api<T>('GET', path);
      if (wanted.current === path) setState({ path, data });
    } catch (error) {
      const failure = asFailure(error);
      if (wanted.current === path) {
        setState((before) => ({ path, ...(before.path === path ? { data: before.data } : {}), failure }));
      }
    }
  }, [path]);
  useEffect(() => {
    void reload();
  }, [reload]);
  const isCurrent = state.path === path;
  return {
    data: isCurrent ? state.data : undefined,
    failure: isCurrent ? state.failure : undefined,
    isLoading: path !== undefined && !isCurrent,
    reload,
    set: (data) => setState({ path, data }),
  };
}

/** Anything thrown, as something that can be shown. */
export function asFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  return new ApiFailure(0, 'studio_error', 'Something went wrong on this page. Load it again.', 1);
}

async function failureOf(response: Response): Promise<ApiFailure> {
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  return new ApiFailure(
    response.status,
    problem.code ?? 'unknown',
    problem.detail ?? `The server answered ${response.status}.`,
    Number(response.headers.get('Retry-After')) || 1,
  );
}
