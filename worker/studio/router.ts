// Pages by the fragment: `#/videos/123?tab=charts`. The server sees one address whatever is shown.
import { useEffect, useState } from 'react';

/** What every page is given: the `:id` of its path ('' where it has none) and its query. */
export type PageProps = { id: string; query: URLSearchParams };

export type Matched<R> = PageProps & { route: R };

/** @returns the first route whose path fits the fragment, else the first of all. */
export function useRoute<R extends { path: string }>(routes: R[]): Matched<R> {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = () => setHash(location.hash);
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return matchRoute(routes, hash);
}

export function matchRoute<R extends { path: string }>(routes: R[], hash: string): Matched<R> {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const query = new URLSearchParams(search);
  const segments = path.split('/').filter(Boolean);
  for (const route of routes) {
    const pattern = route.path.split('/');
    if (pattern.length !== segments.length) continue;
    const fits = pattern.every((part, index) => part === ':id' || part === segments[index]);
    if (!fits) continue;
    const idAt = pattern.indexOf(':id');
    return { route, id: idAt < 0 ? '' : decodeSegment(segments[idAt] ?? ''), query };
  }
  return { route: routes[0]!, id: '', query };
}

/** Address of a page, for `href`. */
export function pageAt(path: string, query: Record<string, string | undefined> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  const text = search.toString();
  return `#/${path}${text ? `?${text}` : ''}`;
}

export function goTo(path: string, query: Record<string, string | undefined> = {}): void {
  location.hash = pageAt(path, query);
}

/** Like {@link goTo} without a new entry in the browser's history: for filters. */
export function replacePage(path: string, query: Record<string, string | undefined> = {}): void {
  history.replaceState(null, '', pageAt(path, query));
  dispatchEvent(new HashChangeEvent('hashchange'));
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // an id like this exists nowhere, which the page says
  }
}
