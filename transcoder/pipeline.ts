// The whole job on one screen: what each kind of task reads, makes and hands on.
import type { z } from 'zod';
import { AppError } from '../shared/errors.ts';
import { type PlanSummary, type Presentation, TaskFacts, TextFacts } from '../shared/messages.ts';
import {
  audioFactsKey,
  CERTIFICATE,
  chunkFactsKey,
  ladderKey,
  planKey,
  progressiveFactsKey,
  RECEIPT,
  textFactsKey,
} from '../shared/object-keys.ts';
import { chunkFrameRange, Plan } from '../shared/plan.ts';
import { instantSegmentCount } from '../shared/plan-instant.ts';
import { planJob } from '../shared/plan-job.ts';
import { planSound } from '../shared/plan-sound.ts';
import { ProgressiveFile } from '../shared/progressive.ts';
import type { PlannedProtection } from '../shared/protection.ts';
import { Receipt } from '../shared/receipt.ts';
import { awaitsLadder, copiedKeySeconds, LadderDecision, withLadder } from '../shared/settled-ladder.ts';
import { framesPerSecond } from '../shared/timeline.ts';
import { withEncodersHere } from './ffmpeg/extra-encoders.ts';
import { type ImportSettings, importSource } from './importer/import-task.ts';
import { withMemoryFor } from './memory-pool.ts';
import { encodeAudio } from './stages/audio.ts';
import { certify } from './stages/certify.ts';
import { encodeChunk } from './stages/encode.ts';
import { makePoster } from './stages/images.ts';
import { beginInstant, copyInstant } from './stages/instant.ts';
import { judgeCopy, lookAtCopy } from './stages/judge-instant.ts';
import { packagePresentation } from './stages/package.ts';
import { makePreview } from './stages/preview.ts';
import { probeSound, probeSource } from './stages/probe.ts';
import { makeProgressive } from './stages/progressive.ts';
import { publishDocuments } from './stages/publish.ts';
import { receiptOf } from './stages/receipt.ts';
import { sampleQuality } from './stages/sample-quality.ts';
import { makeSheets } from './stages/storyboard.ts';
import { extractSubtitles } from './stages/subtitles.ts';
import { tryLadder } from './stages/trial.ts';
import { verifySource } from './stages/verify-source.ts';
import type { Pictures } from './stored-picture.ts';
import type { TaskContext } from './task-context.ts';
import { finishedTracks, type JobFacts } from './tracks.ts';

/** What the ledger is told when a task has done its work. */
export type TaskOutcome =
  | { kind: 'imported'; sizeBytes: number }
  | { kind: 'planned'; summary: PlanSummary }
  | { kind: 'done'; mark: number }
  | { kind: 'published'; presentation: Presentation; receipt?: Receipt };

export function runTask(
  context: TaskContext,
  imports: ImportSettings = { allowLoopback: false },
): Promise<TaskOutcome> {
  switch (context.claim.task.kind) {
    case 'import':
      return fetchSource(context, imports);
    case 'plan':
      return makePlan(context);
    case 'instant':
      return makeInstant(context);
    case 'chunk':
      return makeChunk(context);
    case 'audio':
      return makeAudio(context);
    case 'text':
      return makeTexts(context);
    case 'finish':
      return finishJob(context);
  }
}

async function fetchSource(context: TaskContext, imports: ImportSettings): Promise<TaskOutcome> {
  return { kind: 'imported', sizeBytes: await importSource(context, imports) };
}

async function makePlan(context: TaskContext): Promise<TaskOutcome> {
  const { claim, source, scratch, limits, signal } = context;
  const protection = await plannedProtection(context);
  // What is protected is not copied: the copy would be there in the clear.
  const looking = protection ? Promise.resolve(undefined) : lookAtCopy(source);
  looking.catch(() => undefined); // what the probe says of the source comes first
  const info = await probeSource(source, scratch, limits, signal).catch((error: unknown) => {
    if (claim.job.options.audioOnly && isWithoutPictures(error)) return undefined;
    throw error;
  });
  if (!info) return planOfSound(context, protection);
  const { options, warnings } = await withEncodersHere(claim.job.options);
  const plannedHere = planJob(info, options);
  const planned = {
    ...plannedHere,
    warnings: [...(plannedHere.warnings ?? []), ...warnings],
    ...(protection && { protection }),
  };
  const copyable = judgeCopy(await looking, info, planned, context.log);
  // What can be played by a copy is to be playable within two seconds; a trial takes as long again and comes later.
  const plan = copyable
    ? { ...planned, instant: copyable.instant }
    : withLadder(planned, {
        trial: await withMemoryFor(planned, context, (roomy) =>
          tryLadder(roomy, planned, info.keyFrameSeconds),
        ),
      });
  const stored = await storeOnce(context, planKey(claim.task.jobId), Plan, plan);
  const instantMark = copyable ? await beginInstant(context, stored, copyable) : 0;
  return { kind: 'planned', summary: { ...summarize(stored), ...(instantMark > 0 && { instantMark }) } };
}

function isWithoutPictures(error: unknown): boolean {
  return error instanceof AppError && error.code === 'media_no_video_stream';
}

async function planOfSound(context: TaskContext, protection?: PlannedProtection): Promise<TaskOutcome> {
  const { claim, source, scratch, limits, signal } = context;
  const planned = planSound(await probeSound(source, scratch, limits, signal), claim.job.options);
  const plan = { ...planned, ...(protection && { protection }) };
  const stored = await storeOnce(context, planKey(claim.task.jobId), Plan, plan);
  return { kind: 'planned', summary: summarize(stored) };
}

async function plannedProtection({ claim, contentKey }: TaskContext): Promise<PlannedProtection | undefined> {
  const { protection, keyRotationSegments } = claim.job.options;
  if (protection === 'aes-128') {
    return { scheme: protection, ...(keyRotationSegments && { keyRotationSegments }) };
  }
  return protection === 'cenc' ? { scheme: protection, keyId: (await contentKey(0)).keyId } : undefined;
}

async function makeInstant(context: TaskContext): Promise<TaskOutcome> {
  return { kind: 'done', mark: await copyInstant(context, await loadPlan(context)) };
}

async function makeChunk(context: TaskContext): Promise<TaskOutcome> {
  const { jobId, index } = context.claim.task;
  const planned = await loadPlan(context);
  const facts = await withMemoryFor(planned, context, async (roomy) => {
    const plan = await settleLadder(roomy, planned);
    const chunk = plan.chunks[index];
    if (!chunk) throw new AppError('plan_invalid', { detail: `The plan has no chunk ${index}.` });
    return await encodeChunk(roomy, plan, chunk);
  });
  await storeOnce(context, chunkFactsKey(jobId, index), TaskFacts, facts);
  return { kind: 'done', mark: facts.tracks[0]?.segments.length ?? 0 };
}

/** The first chunk task to begin tries the ladder where the plan could not; of two at once, one is believed. */
async function settleLadder(context: TaskContext, plan: Plan): Promise<Plan> {
  if (!awaitsLadder(plan)) return plan;
  const key = ladderKey(context.claim.task.jobId);
  if (await context.r2.head(key)) return withLadder(plan, await load(context, key, LadderDecision));
  const trial = await tryLadder(context, plan, copiedKeySeconds(plan));
  const decision = { version: 1 as const, ...(trial && { trial }) };
  return withLadder(plan, await storeOnce(context, key, LadderDecision, decision));
}

async function makeAudio(context: TaskContext): Promise<TaskOutcome> {
  const { jobId, index } = context.claim.task;
  const plan = await loadPlan(context);
  const facts = await encodeAudio(context, plan, index);
  const stored = await storeOnce(context, audioFactsKey(jobId, index), TaskFacts, facts);
  return { kind: 'done', mark: stored.tracks[0]?.segments.length ?? 0 };
}

async function makeTexts(context: TaskContext): Promise<TaskOutcome> {
  const plan = await loadPlan(context);
  const facts = await extractSubtitles(context, plan);
  await storeOnce(context, textFactsKey(context.claim.task.jobId), TextFacts, facts);
  return { kind: 'done', mark: 0 };
}

async function finishJob(context: TaskContext): Promise<TaskOutcome> {
  await verifySource(context);
  const plan = await settleLadder(context, await loadPlan(context));
  const made = { ...(await loadFacts(context, plan)), pictures: await makePictures(context, plan) };
  const facts = { ...made, ...(await makeWholeFile(context, plan, made)) };
  const { presentation, documents } = packagePresentation(plan, facts);
  const certificate = await certify(context, plan, facts, documents);
  await publishDocuments(context, [...documents, { name: CERTIFICATE, body: JSON.stringify(certificate) }]);
  if (plan.isAudioOnly) return { kind: 'published', presentation }; // a receipt is about pictures
  // Not one of the documents: measured anew, the figures of another attempt are others.
  const measured = receiptOf(plan, facts, await sampleQuality(context, plan));
  const receipt = await storeOnce(context, context.claim.job.outputPrefix + RECEIPT, Receipt, measured);
  return { kind: 'published', presentation, receipt };
}

async function makeWholeFile(
  context: TaskContext,
  plan: Plan,
  facts: JobFacts,
): Promise<Pick<JobFacts, 'progressive'>> {
  const key = progressiveFactsKey(context.claim.task.jobId);
  // An earlier attempt may have got this far, and the file may be gigabytes.
  if (await context.r2.head(key)) return { progressive: await load(context, key, ProgressiveFile) };
  const progressive = await makeProgressive(context, finishedTracks(plan, facts));
  return progressive ? { progressive: await storeOnce(context, key, ProgressiveFile, progressive) } : {};
}

async function makePictures(context: TaskContext, plan: Plan): Promise<Pictures> {
  if (plan.isAudioOnly) return {};
  const poster = await makePoster(context, plan);
  const sheets = await makeSheets(context, plan);
  const preview = await makePreview(context, plan);
  return { ...(poster && { poster }), ...(sheets && { sheets }), ...(preview && { preview }) };
}

async function loadPlan(context: TaskContext): Promise<Plan> {
  return load(context, planKey(context.claim.task.jobId), Plan);
}

async function loadFacts(
  context: TaskContext,
  plan: Plan,
): Promise<{ chunks: TaskFacts[]; audio: TaskFacts[]; text?: TextFacts }> {
  const { jobId } = context.claim.task;
  const chunks: TaskFacts[] = [];
  for (const { index } of plan.chunks)
    chunks.push(await load(context, chunkFactsKey(jobId, index), TaskFacts));
  const audio: TaskFacts[] = [];
  for (const index of plan.audio.keys())
    audio.push(await load(context, audioFactsKey(jobId, index), TaskFacts));
  if (!plan.subtitles?.length) return { chunks, audio };
  return { chunks, audio, text: await load(context, textFactsKey(jobId), TextFacts) };
}

/** Stores a document of the job. Where an earlier attempt was first, its document is the one that counts. */
async function storeOnce<T>(context: TaskContext, key: string, schema: z.ZodType<T>, value: T): Promise<T> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const result = await context.r2.putOnce(key, bytes, 'application/json');
  return result === 'exists' ? load(context, key, schema) : value;
}

async function load<T>(context: TaskContext, key: string, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(JSON.parse(new TextDecoder().decode(await context.r2.get(key))));
}

function summarize(plan: Plan): PlanSummary {
  return {
    totalFrames: plan.totalFrames,
    segmentCount: plan.segmentCount,
    segmentFrames: plan.segmentFrames,
    chunks: plan.chunks.map((chunk) => {
      const { firstFrame, endFrame } = chunkFrameRange(plan, chunk);
      return { segmentCount: chunk.segmentCount, frames: endFrame - firstFrame };
    }),
    audioTracks: plan.audio.length,
    ...(plan.subtitles?.length ? { textTracks: plan.subtitles.length } : {}),
    ...(plan.instant && { instantSegments: instantSegmentCount(plan.instant) }),
    durationSeconds: plan.source.durationSeconds,
    width: plan.display.width,
    height: plan.display.height,
    frameRate: framesPerSecond(plan.fps),
  };
}
