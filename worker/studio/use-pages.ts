// A list that the API gives page by page, with a cursor.
import { useCallback, useEffect, useRef, useState } from 'react';
import { type ApiFailure, api, asFailure } from './api.ts';

export type Pages<T> = {
  items: T[];
  failure: ApiFailure | undefined;
  /** True until the first answer to this question. */
  isLoading: boolean;
  isLoadingMore: boolean;
  hasMore: boolean;
  loadMore(): Promise<void>;
  reload(): Promise<void>;
  /** Changes what is shown without asking. */
  change(change: (items: T[]) => T[]): void;
};

type State<T> = { path: string; items: T[]; nextCursor?: string; failure?: ApiFailure };

/**
 * @param path with its filters, without a cursor
 * @param name of the list in the answer
 */
export function usePages<T>(path: string, name: string): Pages<T> {
  const [state, setState] = useState<State<T>>();
  const [isLoadingMore, setIsLoadingMore] = useState(false);
  const wanted = useRef(path);
  wanted.current = path;

  const load = useCallback(
    async (before?: State<T>) => {
      const cursor = before?.nextCursor;
      const query = cursor === undefined ? '' : `${path.includes('?') ? '&' : '?'}cursor=${cursor}`;
      try {
        const answer = await api<Record<string, unknown>>('GET', path + query);
        if (wanted.current !== path) return;
        const items = [...(before?.items ?? []), ...(answer[name] as T[])];
        const { nextCursor } = answer as { nextCursor?: string };
        setState({ path, items, ...(nextCursor === undefined ? {} : { nextCursor }) });
      } catch (error) {
        if (wanted.current !== path) return;
        const failure = asFailure(error);
        setState((shown) => ({ ...(shown?.path === path ? shown : { path, items: [] }), failure }));
      }
    },
    [path, name],
  );
  useEffect(() => {
    void load();
  }, [load]);

  const current = state?.path === path ? state : undefined;
  return {
    items: current?.items ?? [],
    failure: current?.failure,
    isLoading: current === undefined,
    isLoadingMore,
    hasMore: current?.nextCursor !== undefined,
    reload: () => load(),
    loadMore: async () => {
      if (!current || isLoadingMore) return;
      setIsLoadingMore(true);
      await load(current);
      setIsLoadingMore(false);
    },
    change: (change) => setState((shown) => shown && { ...shown, items: change(shown.items) }),
  };
}

/** The path with those of the filters that are set. */
export function filtered(path: string, filters: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) if (value) query.set(name, String(value));
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}
