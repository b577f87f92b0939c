// `npm run chaos -- uploads`: files go up by every method while workerd is killed and clients are cut off. At the
// end the bytes are the same, no acknowledged byte was sent twice, each file has one job, and the sweep leaves
// nothing of what was given up.
import type { ChaosStack } from './chaos-stack.ts';
import { startChaosStack } from './chaos-stack.ts';
import { createCountedFetch, type RequestKind } from './counted-fetch.ts';
import { type Assignment, type Fate, type Fleet, type Method, runFleet } from './fleet.ts';
import { startKiller } from './killer.ts';
import { expireOpenUploads, readStoredState } from './local-state.ts';
import { loseCompletionReplies, racePartPuts } from './part-races.ts';
import { chanceOf } from './seeded.ts';
import { settledUpload, sha256OfSource, type UploadFate } from './stored-source.ts';
import { hasTus } from './tus-client.ts';

export type UploadChaosOptions = {
  seed: number;
  uploads: number;
  /** Of them, given up half-way. */
  givenUp: number;
  kills: number;
  sizeBytes: number;
  clients: number;
  races: number;
  lostReplies: number;
};

export type UploadChaosReport = {
  uploads: Record<string, number>;
  kills: Partial<Record<RequestKind, number>>;
  clientRestarts: number;
  resumesWithBytes: number;
  retries: number;
  sentBytes: number;
  acknowledgedBytes: number;
  resentAcknowledgedBytes: number;
  sha256Mismatches: string[];
  /** Videos with another number of jobs than one, among those completed. */
  wrongJobCounts: string[];
  jobs: number;
  jobsExpected: number;
  givenUp: number;
  /** Parts in R2 that no object owns, while uploads were still open. */
  partsBeforeSweep: number;
  openUploads: number;
  orphanParts: number;
  orphanObjects: number;
  raceRounds: number;
  raceAnswers: Record<string, number>;
  delayedCompletions: number;
  raceMismatches: string[];
  lostReplies: number;
  lostReplyMismatches: string[];
};

const EDGE_METHODS = ['single', 'multipart', 'presigned'] as const;

export async function runUploadChaos(
  options: UploadChaosOptions,
  say: (line: string) => void = () => {},
): Promise<UploadChaosReport> {
  const { seed, sizeBytes, kills, clients } = options;
  await using stack = await startChaosStack();
  const traffic = createCountedFetch();
  const isTusOffered = await hasTus({ url: stack.url, token: stack.token, fetch: traffic.fetch });
  const methods: Method[] = isTusOffered ? [...EDGE_METHODS, 'tus'] : [...EDGE_METHODS];
  say(`stack up at ${stack.url}; methods: ${methods.join(', ')}`);

  const assignments = assign(methods, options);
  const killer = startKiller(stack, traffic, chanceOf(seed), kills, assignments.length * sizeBytes);
  let fleet: Fleet;
  try {
    fleet = await runFleet(assignments, { stack, traffic, sizeBytes, clients });
  } finally {
    await killer.stop();
  }
  const killed = Object.values(killer.kills).reduce((sum, count) => sum + count, 0);
  say(
    `${fleet.finished.length} uploads completed and ${fleet.leftIds.length} given up under ${killed} kills`,
  );
  const { sha256Mismatches, videoIds } = await compareSources(stack, fleet);
  say('sources read back');
  const races = await racePartPuts(stack, options.races, seed);
  say(`${races.rounds} races on one part`);
  const lost = await loseCompletionReplies(stack, options.lostReplies, seed);
  say(`${lost.lostReplies} lost replies to complete`);
  const partsBeforeSweep = await sweepGivenUp(stack, fleet.leftIds);
  const state = await readStoredState(stack.stateDirectory);

  const completed = [...videoIds, ...races.videoIds, ...lost.videoIds];
  return {
    uploads: countBy(fleet.finished.map(({ method }) => method)),
    kills: killer.kills,
    clientRestarts: fleet.restarts,
    resumesWithBytes: fleet.resumesWithBytes,
    retries: fleet.retries,
    sentBytes: traffic.accounts.sentBytes,
    acknowledgedBytes: traffic.accounts.acknowledgedBytes,
    resentAcknowledgedBytes: traffic.accounts.resentBytes,
    sha256Mismatches,
    wrongJobCounts: completed.filter((videoId) => state.jobsByVideo.get(videoId) !== 1),
    jobs: state.jobs,
    jobsExpected: completed.length,
    givenUp: fleet.leftIds.length,
    partsBeforeSweep,
    openUploads: state.openUploads,
    orphanParts: state.orphanParts,
    orphanObjects: state.orphanObjects,
    raceRounds: races.rounds,
    raceAnswers: Object.fromEntries(races.answers),
    delayedCompletions: races.delayedCompletions,
    raceMismatches: races.mismatches,
    lostReplies: lost.lostReplies,
    lostReplyMismatches: lost.mismatches,
  };
}

/** Methods take turns; those given up are spread among them, but not `single`, which leaves nothing half-way. */
function assign(methods: Method[], { seed, uploads, givenUp }: UploadChaosOptions): Assignment[] {
  const total = uploads + givenUp;
  const everyNth = givenUp === 0 ? Number.POSITIVE_INFINITY : Math.floor(total / givenUp);
  let left = givenUp;
  return Array.from({ length: total }, (_, index) => {
    const isGivenUp = left > 0 && index % everyNth === everyNth - 1;
    if (!isGivenUp)
      return { index, method: methods[index % methods.length]!, fate: 'completed' as const, seed };
    left -= 1;
    const partMethods = methods.filter((method) => method !== 'single');
    const fate: Fate = left % 2 === 0 ? 'aborted' : 'abandoned';
    return { index, method: partMethods[left % partMethods.length]!, fate, seed };
  });
}

async function compareSources(stack: ChaosStack, fleet: Fleet) {
  const sha256Mismatches: string[] = [];
  const videoIds: string[] = [];
  for (const { label, uploadId, sha256 } of fleet.finished) {
    const { state, videoId } = await settledUpload(stack, uploadId, (now) => now !== 'completing');
    videoIds.push(videoId);
    if (state !== 'accepted') sha256Mismatches.push(`${label}: the upload is ${state}`);
    else if ((await sha256OfSource(stack, videoId)) !== sha256)
      sha256Mismatches.push(`${label}: other bytes`);
  }
  return { sha256Mismatches, videoIds };
}

/**
 * Lets the time of what was given up run out and sweeps. The Worker is down while the clock is set and again at
 * the end, so that what is then read from disk is at rest.
 *
 * @returns how many parts there were to clean
 */
async function sweepGivenUp(stack: ChaosStack, leftIds: string[]): Promise<number> {
  await stack.killWorker();
  const { looseParts } = await readStoredState(stack.stateDirectory);
  await expireOpenUploads(stack.stateDirectory);
  await stack.startWorker();
  const isEnded = (state: UploadFate) => ['expired', 'aborted', 'gone'].includes(state);
  for (let sweeps = 0; sweeps < 3; sweeps += 1) await stack.sweep();
  for (const uploadId of leftIds) await settledUpload(stack, uploadId, isEnded);
  await stack.sweep();
  await stack.killWorker();
  return looseParts;
}

function countBy(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
