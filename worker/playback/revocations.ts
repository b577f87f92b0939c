// Which play sessions are revoked, as this isolate last heard. The media path must not wait for D1: it is
// answered from the snapshot at once while a stale one is replaced behind it, so a revocation takes effect within
// seconds, not instantly.
import { errorFields, type Log } from '../../shared/log.ts';
import { revokedSessions } from './store.ts';

const SNAPSHOT_AGE_MS = 5000;

type Snapshot = { sessionIds: ReadonlySet<string>; takenAtMs: number };

let snapshot: Snapshot = { sessionIds: new Set(), takenAtMs: Number.NEGATIVE_INFINITY };

/** Revocations made by this isolate and when: known at once, kept until a later snapshot must hold them. */
const ownRevocations = new Map<string, number>();

type Sources = { db: D1Database; log: Log; nowMs: number; waitUntil(work: Promise<unknown>): void };

export function isRevoked(sessionId: string, { db, log, nowMs, waitUntil }: Sources): boolean {
  const held = snapshot;
  // Either way: a clock that was set back must not make an old snapshot look new.
  if (Math.abs(nowMs - held.takenAtMs) >= SNAPSHOT_AGE_MS) {
    snapshot = { ...held, takenAtMs: nowMs }; // one refresh at a time
    waitUntil(refresh(db, nowMs, log));
  }
  return held.sessionIds.has(sessionId) || ownRevocations.has(sessionId);
}

export function noteRevoked(sessionId: string, nowMs: number): void {
  ownRevocations.set(sessionId, nowMs);
}

async function refresh(db: D1Database, startedMs: number, log: Log): Promise<void> {
  try {
    snapshot = { sessionIds: new Set(await revokedSessions(db)), takenAtMs: startedMs };
    for (const [sessionId, notedMs] of ownRevocations) {
      if (notedMs < startedMs) ownRevocations.delete(sessionId);
    }
  } catch (error) {
    // The stale snapshot stands; the next one is due in SNAPSHOT_AGE_MS.
    log.warn('playback.revocations_stale', errorFields(error));
  }
}
