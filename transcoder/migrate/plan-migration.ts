// From files to items: looks into each source, once, and gives it its key. What cannot be read is an item too, one
// that has failed.
import { AppError } from '../../shared/errors.ts';
import { ApiFailure, ConnectionStalled } from '../cli/api-client.ts';
import { type Candidate, identityOf, itemKeyOf, type Profile } from './candidate.ts';
import type { Journal } from './journal.ts';
import type { Places } from './places.ts';
import { eachOfSome } from './pool.ts';
import { type ProbedSource, probeRemote } from './probe-remote.ts';
import { openRemoteFile, type ReadOptions } from './remote-file.ts';

export type PlannedItem = {
  key: string;
  candidate: Candidate;
  sizeBytes: number;
  etag: string | undefined;
  probed: ProbedSource | undefined;
};

export type Unreadable = { candidate: Candidate; code: string; detail: string };

export type Plan = { items: PlannedItem[]; unreadable: Unreadable[] };

const LOOKS_AT_ONCE = 8;

/** @param journal remembers what a run before this one has seen, up to its end */
export async function planMigration(
  candidates: readonly Candidate[],
  context: { places: Places; profile: Profile; journal?: Journal | undefined; read: ReadOptions },
  onLook: (done: number) => void,
): Promise<Plan> {
  const seen = seenBefore(context.journal);
  const looks = new Map<Candidate, PlannedItem | Unreadable>();
  await eachOfSome(candidates, LOOKS_AT_ONCE, async (candidate) => {
    const before = seen.get(identityOf(candidate.origin));
    // A listing tells of a change; what no listing has is as it was when this run began.
    const isSame = before && (candidate.etag === undefined || before.listed === candidate.etag);
    const look = isSame ? { ...before, candidate } : await lookInto(candidate, context);
    looks.set(
      candidate,
      'code' in look ? look : { ...look, key: itemKeyOf(candidate, versionOf(look), context.profile) },
    );
    onLook(looks.size);
  });
  const all = candidates.map((candidate) => looks.get(candidate)!);
  const items = all.filter((look): look is PlannedItem => !('code' in look));
  return {
    // Array.sort is stable: the rest keep the order they were named in.
    items: items.toSorted((a, b) => (b.candidate.popularity ?? 0) - (a.candidate.popularity ?? 0)),
    unreadable: all.filter((look): look is Unreadable => 'code' in look),
  };
}

/** A server that names no version of its files is believed by their size. */
function versionOf({ etag, sizeBytes }: Pick<PlannedItem, 'etag' | 'sizeBytes'>): string {
  return etag ?? `${sizeBytes} bytes`;
}

type Look = Omit<PlannedItem, 'key'>;
type Seen = Omit<Look, 'candidate'> & { listed: string | undefined };

function seenBefore(journal: Journal | undefined): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  for (const line of journal?.lines ?? []) {
    if (line.type === 'finished') seen.clear();
    if (line.type !== 'looked') continue;
    const { sizeBytes, etag, listed, probed } = line;
    seen.set(line.identity, { sizeBytes, etag, listed, probed });
  }
  return seen;
}

async function lookInto(
  candidate: Candidate,
  { places, journal, read }: { places: Places; journal?: Journal | undefined; read: ReadOptions },
): Promise<Look | Unreadable> {
  try {
    const file = await openRemoteFile(places.addressOf(candidate.origin), read);
    const probed = await probeRemote(file);
    const { sizeBytes, etag } = file;
    await journal?.append({
      type: 'looked',
      identity: identityOf(candidate.origin),
      listed: candidate.etag,
      ...{ etag, sizeBytes, probed },
    });
    return { candidate, sizeBytes, etag, probed };
  } catch (error) {
    read.signal?.throwIfAborted();
    const { code, detail } = reasonOf(error);
    return { candidate, code, detail };
  }
}

function reasonOf(error: unknown): { code: string; detail: string } {
  if (error instanceof ApiFailure || error instanceof AppError) {
    return { code: error.code, detail: error.detail };
  }
  if (error instanceof ConnectionStalled || (error as Error).name === 'TimeoutError') {
    return { code: 'source_unreachable', detail: 'The server did not answer in time.' };
  }
  // fetch reports every connection failure as a TypeError whose cause has the reason.
  if (!(error instanceof TypeError)) throw error;
  const reason = error.cause instanceof Error ? error.cause.message : error.message;
  return {
    code: 'source_unreachable',
    detail: `The server could not be reached: ${reason || 'no connection'}.`,
  };
}
