// Several clients at once on the same part, with and without a completion among them.
import { ApiFailure, createApiClient } from '../transcoder/cli/api-client.ts';
import { BRIEF, withRetries } from '../transcoder/cli/retry.ts';
import type { ChaosStack } from './chaos-stack.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { noise } from './seeded.ts';
import { sha256OfSource } from './stored-source.ts';

const CLIENTS = 4;
/** One part, since only the last one may be small. */
const SIZE_BYTES = 96 * 1024;

export type RaceReport = {
  rounds: number;
  /** How often each status was answered to a part. */
  answers: Map<number, number>;
  /** Completions that were told to wait until a part is written. */
  delayedCompletions: number;
  mismatches: string[];
  videoIds: string[];
};

/** Answers of a part that lost a race. */
const LOST = [409, 423];

export async function racePartPuts(stack: ChaosStack, rounds: number, seed: number): Promise<RaceReport> {
  const report: RaceReport = {
    ...{ rounds, answers: new Map(), delayedCompletions: 0, mismatches: [], videoIds: [] },
  };
  for (let round = 0; round < rounds; round += 1)
    await raceOnce(stack, `${seed}-race-${round}`, round, report);
  return report;
}

async function raceOnce(stack: ChaosStack, label: string, round: number, report: RaceReport): Promise<void> {
  const { bytes, sha256 } = noise(label, SIZE_BYTES);
  const client = createApiClient(stack.url, stack.token);
  const { uploadId, videoId } = await client.createUpload({
    ...{ filename: `${label}.mp4`, sizeBytes: SIZE_BYTES, method: 'multipart' as const },
  });
  report.videoIds.push(videoId);
  const headers = { authorization: `Bearer ${stack.token}` };
  const address = new URL(`/v1/uploads/${uploadId}/parts/1`, stack.url);
  const put = async () => {
    const response = await fetch(address, { method: 'PUT', headers, body: bytes });
    await response.body?.cancel();
    report.answers.set(response.status, (report.answers.get(response.status) ?? 0) + 1);
    if (!response.ok && !LOST.includes(response.status))
      report.mismatches.push(`${label}: a part was answered ${response.status}`);
    return response.ok;
  };
  const countDelay = (error: unknown) => {
    if (!(error instanceof ApiFailure) || error.code !== 'upload_part_in_progress')
      report.mismatches.push(`${label}: the completion met ${error}`);
    report.delayedCompletions += 1;
  };
  const complete = () =>
    withRetries(() => client.completeUpload(uploadId), { policy: BRIEF, onWait: countDelay });

  const isAgainstCompletion = round % 2 === 1;
  if (isAgainstCompletion) {
    await put();
    await Promise.all([complete(), ...Array.from({ length: CLIENTS - 1 }, put)]);
  } else {
    const hasWon = await Promise.all(Array.from({ length: CLIENTS }, put));
    if (!hasWon.includes(true)) report.mismatches.push(`${label}: nobody won`);
  }
  await complete();
  if ((await sha256OfSource(stack, videoId)) !== sha256) report.mismatches.push(`${label}: other bytes`);
}

export type LostReplyReport = {
  rounds: number;
  lostReplies: number;
  mismatches: string[];
  videoIds: string[];
};

/** Completion whose reply is lost, then asked again by one client and by two at once. */
export async function loseCompletionReplies(
  stack: ChaosStack,
  rounds: number,
  seed: number,
): Promise<LostReplyReport> {
  const report: LostReplyReport = { rounds, lostReplies: 0, mismatches: [], videoIds: [] };
  const heard = new Set<string>();
  await using proxy = await startFaultProxy(stack.url, {
    isReplyLost: (_method, path) => {
      if (!path.endsWith('/complete') || heard.has(path)) return false;
      heard.add(path);
      return true;
    },
  });
  const client = createApiClient(proxy.url, stack.token);
  for (let round = 0; round < rounds; round += 1) {
    const label = `${seed}-lost-${round}`;
    const { bytes } = noise(label, SIZE_BYTES);
    const method = round % 2 === 0 ? ('single' as const) : ('multipart' as const);
    const { uploadId, videoId } = await client.createUpload({
      ...{ filename: `${label}.mp4`, sizeBytes: SIZE_BYTES, method },
    });
    const body = { sizeBytes: SIZE_BYTES, stream: () => new Blob([bytes]).stream() };
    if (method === 'single') await client.putContent(uploadId, body);
    else await client.putPart(uploadId, 1, body);
    const lost = await client.completeUpload(uploadId).catch((error: unknown) => error);
    if (!(lost instanceof TypeError)) report.mismatches.push(`${label}: the reply was not lost`);
    const again = [await client.completeUpload(uploadId)];
    again.push(...(await Promise.all([client.completeUpload(uploadId), client.completeUpload(uploadId)])));
    if (new Set(again.map(({ jobId }) => jobId)).size !== 1) report.mismatches.push(`${label}: several jobs`);
    report.videoIds.push(videoId);
  }
  report.lostReplies = proxy.answers.filter(({ isLost }) => isLost).length;
  return report;
}
