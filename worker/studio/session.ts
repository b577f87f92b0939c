// Who is signed in: one bearer token, kept in this browser until it is signed out or no longer taken.
import { useSyncExternalStore } from 'react';
import type { Role } from '../../shared/api.ts';

export type Session = {
  token: string;
  /** Of an API key, whose role only the server knows: uploader, which it says no to where that is wrong. */
  role: Role;
  name: string;
  expiresAtMs?: number;
};

const KEY = 'reelay.token';
const ROLES: readonly unknown[] = ['admin', 'uploader', 'viewer'] satisfies Role[];
const listeners = new Set<() => void>();
let current: Session | undefined;
let lastToken: string | null = null;

export function signIn(token: string): void {
  localStorage.setItem(KEY, token.trim());
  changed();
}

export function signOut(): void {
  localStorage.removeItem(KEY);
  changed();
}

export function currentSession(): Session | undefined {
  const token = localStorage.getItem(KEY);
  if (token !== lastToken) {
    lastToken = token;
    current = token ? sessionOf(token) : undefined;
  }
  return current;
}

/** The signed-in session; the component renders anew when it changes, in another tab too. */
export function useSession(): Session | undefined {
  return useSyncExternalStore(subscribe, currentSession);
}

export function mayUpload(session: Session | undefined): boolean {
  return session !== undefined && session.role !== 'viewer';
}

/** A link `/#token=…` signs in; the token does not stay in the address or the history. */
export function takeTokenFromLink(): void {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  history.replaceState(null, '', `${location.pathname}${location.search}#/library`);
  signIn(token);
}

/** What a token says of itself. Nothing is trusted here: the server judges each request. */
export function sessionOf(token: string): Session {
  const claims = claimsOf(token);
  return {
    token,
    role: ROLES.includes(claims?.role) ? (claims?.role as Role) : 'uploader',
    name: typeof claims?.sub === 'string' ? claims.sub : 'API key',
    ...(typeof claims?.exp === 'number' ? { expiresAtMs: claims.exp * 1000 } : {}),
  };
}

function claimsOf(token: string): Record<string, unknown> | undefined {
  const payload = token.split('.')[1];
  if (!payload) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
      char.charCodeAt(0),
    );
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    return undefined; // not a JWT
  }
}

/** @returns what ends the subscription */
export function onSessionChange(listener: () => void): () => void {
  return subscribe(listener);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener('storage', changed);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) removeEventListener('storage', changed);
  };
}

function changed(): void {
  for (const listener of listeners) listener();
}
