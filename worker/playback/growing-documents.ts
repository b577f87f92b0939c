// What the playlists of a growing job are written from: its plan, its init segments, the facts of sound that is
// done. Write-once objects, so each is read once per isolate.
import { AppError } from '../../shared/errors.ts';
import type { GrowingTimeline } from '../../shared/hls-growing.ts';
import { type InitSegment, readInitSegment } from '../../shared/init-segment.ts';
import { TaskFacts } from '../../shared/messages.ts';
import { audioFactsKey, initName, ladderKey, planKey } from '../../shared/object-keys.ts';
import { Plan } from '../../shared/plan.ts';
import { awaitsLadder, LadderDecision, withLadder } from '../../shared/settled-ladder.ts';
import { getObject, hasBody } from '../r2.ts';
import { BoundedMap } from './bounded-map.ts';

/** A plan of two hours is 20 KB of memory; init segments are a few strings. */
const MAX_HELD = 200;

// Values alone: a promise of one request may never settle for another.
const held = new BoundedMap<string, unknown>(MAX_HELD);

export function planOf(bucket: R2Bucket, jobId: string): Promise<Plan> {
  return once(bucket, planKey(jobId), async (bytes) => Plan.parse(jsonOf(bytes)));
}

/** The plan with the rungs that are made, where those were settled after it was stored. */
export async function ladderPlanOf(bucket: R2Bucket, jobId: string): Promise<Plan> {
  const plan = await planOf(bucket, jobId);
  if (!awaitsLadder(plan)) return plan;
  const decision = await once(bucket, ladderKey(jobId), async (bytes) => LadderDecision.parse(jsonOf(bytes)));
  return withLadder(plan, decision);
}

export function initOf(bucket: R2Bucket, prefix: string, stem: string): Promise<InitSegment> {
  return once(bucket, prefix + initName(stem), readInitSegment);
}

/** The plan without the sound that turned out to be none. @param finished places of the tracks that are done */
export async function withSoundThatIsThere(
  bucket: R2Bucket,
  jobId: string,
  plan: Plan,
  finished: ReadonlySet<number>,
): Promise<Plan> {
  const isThere = await Promise.all(
    plan.audio.map(
      async (_, track) => !finished.has(track) || (await audioFacts(bucket, jobId, track)).isThere,
    ),
  );
  return { ...plan, audio: plan.audio.filter((_, track) => isThere[track]) };
}

/** The timeline of an audio track that is done. */
export async function audioTimeline(
  bucket: R2Bucket,
  jobId: string,
  track: number,
): Promise<GrowingTimeline> {
  const facts = await audioFacts(bucket, jobId, track);
  if (!facts.isThere) throw new AppError('not_found');
  return facts.timeline;
}

type AudioFacts = { isThere: true; timeline: GrowingTimeline } | { isThere: false };

function audioFacts(bucket: R2Bucket, jobId: string, track: number): Promise<AudioFacts> {
  return once(bucket, audioFactsKey(jobId, track), async (bytes) => {
    const [facts] = TaskFacts.parse(jsonOf(bytes)).tracks;
    if (!facts) return { isThere: false };
    const segments = facts.segments.map(({ durationTicks }) => ({ durationTicks }));
    return { isThere: true, timeline: { stem: facts.stem, timescale: facts.init.timescale, segments } };
  });
}

async function once<T>(bucket: R2Bucket, key: string, parse: (bytes: Uint8Array) => Promise<T>): Promise<T> {
  const known = held.get(key) as T | undefined;
  if (known) return known;
  const value = await parse(await read(bucket, key));
  held.set(key, value);
  return value;
}

async function read(bucket: R2Bucket, key: string): Promise<Uint8Array> {
  const object = await getObject(bucket, key);
  if (!object || !hasBody(object)) throw new AppError('not_found');
  return new Uint8Array(await object.arrayBuffer());
}

function jsonOf(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
