// Reads the history of a run, and nothing else, and says which promises were broken.
import type { Entry } from './history.ts';

export type Findings = {
  /** Sentences, one for each break. */
  broken: string[];
  counts: Record<string, number>;
};

/** Whatever a line may hold; which fields it does follows from its event. */
type Line = Entry &
  Record<
    | 'id'
    | 'videoId'
    | 'jobId'
    | 'state'
    | 'key'
    | 'name'
    | 'type'
    | 'sha256'
    | 'eventId'
    | 'job'
    | 'outputPrefix'
    | 'sourceKey'
    | 'objectKey'
    | 'errorCode'
    | 'errorDetail',
    string
  > &
  Record<'index' | 'seq' | 'epoch' | 'status' | 'sizeBytes', number>;

export function checkHistory(entries: readonly Entry[]): Findings {
  const of = (event: string) => entries.filter((entry) => entry.event === event) as unknown as Line[];
  const broken: string[] = [];
  const jobs = new Map(of('final.job').map((job) => [job.id, job]));
  const videos = new Map(of('final.video').map((video) => [video.id, video]));
  const objects = new Map(of('final.object').map((object) => [object.key, object]));

  const lost = lostUploads(of, videos, objects);
  const unfinished = [...jobs.values()].filter(({ state }) => !isTerminal(state));
  for (const { id, state } of unfinished) broken.push(`job ${id} is ${state} for ever`);
  const failed = unexpectedEnds(of, jobs, videos);
  const doublePublishes = doublyPublished(of);
  const served = wronglyServed(of, videos, objects);
  const events = undelivered(of);
  const orphans = orphanObjects(objects, jobs, videos, of('final.upload'));
  const quota = quotaDifference(of, videos, objects);
  for (const task of of('final.task')) broken.push(`task ${task.name} of ${task.jobId} is ${task.state}`);
  broken.push(...lost, ...failed, ...doublePublishes, ...served, ...events, ...orphans, ...quota);
  return {
    broken,
    counts: {
      uploads: of('upload.ok').length,
      jobs: new Set(entries.filter(({ event }) => event.startsWith('job.')).map(({ id }) => id)).size,
      succeeded: [...jobs.values()].filter(({ state }) => state === 'succeeded').length,
      cancelled: [...jobs.values()].filter(({ state }) => state === 'cancelled').length,
      'videos deleted': of('delete.ok').length,
      'acknowledged parts lost': lost.length,
      'jobs not ended': unfinished.length,
      'jobs lost': failed.length,
      'double publishes': doublePublishes.length,
      'objects served': of('served').length,
      'objects missing, of another hash or generation': served.length,
      'events delivered': new Set(of('event.received').map(({ id }) => id)).size,
      'events not delivered': events.length,
      'orphans after the sweep': orphans.length,
      'quota differs': quota.length,
    },
  };
}

type Of = (event: string) => Line[];
type Rows = ReadonlyMap<string, Line>;

function isTerminal(state: string): boolean {
  return ['succeeded', 'failed', 'cancelled'].includes(state);
}

/** Bytes that were acknowledged are there, the same, unless their video was deleted. */
function lostUploads(of: Of, videos: Rows, objects: Rows): string[] {
  const deleted = new Set(of('delete.ok').map(({ index }) => index));
  const invoked = new Map(of('upload.invoke').map((entry) => [entry.index, entry]));
  return of('upload.ok').flatMap(({ index, videoId }) => {
    if (deleted.has(index)) return [];
    const source = objects.get(String(videos.get(videoId)?.sourceKey));
    if (!source) return [`upload ${index} was acknowledged and its source is gone`];
    return source.sha256 === invoked.get(index)?.sha256
      ? []
      : [`the source of upload ${index} has other bytes`];
  });
}

/** Whatever was not cancelled or deleted by a client has succeeded, and its video is ready. */
function unexpectedEnds(of: Of, jobs: Rows, videos: Rows): string[] {
  const deletedIds = new Set(of('delete.ok').map(({ videoId }) => videoId));
  const wanted = [...of('upload.ok'), ...of('retry.ok'), ...of('again.ok')];
  const cancelled = new Set(
    of('cancel.ok')
      .filter(({ state }) => state === 'cancelled')
      .map(({ jobId }) => jobId),
  );
  const uploadOf = new Map(of('upload.ok').map((entry) => [entry.index, entry]));
  return wanted.flatMap(({ index, jobId }) => {
    const videoId = String(uploadOf.get(index)?.videoId);
    const job = jobs.get(jobId);
    if (deletedIds.has(videoId)) {
      return videos.has(videoId) || job ? [`video ${videoId} was deleted and is still there`] : [];
    }
    if (!job) return [`job ${jobId} of upload ${index} is gone`];
    if (cancelled.has(jobId)) return job.state === 'cancelled' ? [] : [`cancelled job ${jobId} ${job.state}`];
    if (job.state !== 'succeeded') {
      return [`job ${jobId} of upload ${index} ${job.state}: ${job.errorCode} ${job.errorDetail}`];
    }
    const state = videos.get(videoId)?.state;
    return state === 'ready' ? [] : [`video ${videoId} of upload ${index} is ${state}`];
  });
}

/** One attempt at most publishes a job, and a video's pointer moves forward alone, to each job once. */
function doublyPublished(of: Of): string[] {
  const found: string[] = [];
  const epochs = new Map<string, Set<number>>();
  for (const { jobId, epoch, status } of of('publish')) {
    if (status >= 300) continue;
    epochs.set(jobId, (epochs.get(jobId) ?? new Set()).add(epoch));
  }
  for (const [jobId, all] of epochs) {
    if (all.size > 1) found.push(`job ${jobId} was published by attempts ${[...all].join(' and ')}`);
  }
  const pointers = new Map<string, { seq: number; jobs: Set<string> }>();
  for (const { videoId, seq, job } of of('pointer')) {
    const before = pointers.get(videoId) ?? { seq: 0, jobs: new Set<string>() };
    if (seq <= before.seq) found.push(`video ${videoId} went from ${before.seq} back to ${seq}`);
    if (before.jobs.has(job)) found.push(`video ${videoId} was given job ${job} twice`);
    pointers.set(videoId, { seq, jobs: before.jobs.add(job) });
  }
  return found;
}

/** Everything a playlist names was served, out of the published generation, with the hash its task vouched for. */
function wronglyServed(of: Of, videos: Rows, objects: Rows): string[] {
  const facts = new Map(of('final.fact').map((fact) => [`${fact.jobId} ${fact.name}`, fact]));
  const certified = new Set(of('certificate').map(({ videoId, jobId }) => `${videoId} ${jobId}`));
  const found = of('served').flatMap(({ videoId, key, status, sha256 }) => {
    const video = videos.get(videoId);
    const name = key.split('/').at(-1)!;
    if (status !== 200) return [`${key} was answered with ${status}`];
    if (!key.startsWith(String(video?.outputPrefix))) return [`${key} is of another generation`];
    const isManifest = /\.(m3u8|mpd)$/.test(name);
    if (objects.get(key)?.sha256 !== sha256 && !isManifest) return [`${key} is not stored as it was served`];
    if (!/\.(m4s|mp4)$/.test(name) || name === 'progressive.mp4') return [];
    const fact = facts.get(`${video?.job} ${name}`);
    if (!fact) return [`${key} is in no task's facts`];
    return sameHash(fact.sha256, sha256) ? [] : [`${key} has not the hash of its task's facts`];
  });
  for (const { id, state, job } of videos.values()) {
    const isMissing = state === 'ready' && !certified.has(`${id} ${job}`);
    if (isMissing) found.push(`video ${id} is ready and its job has no certificate`);
  }
  return found;
}

function sameHash(stated: string, hex: string): boolean {
  const bytes = Buffer.from(hex, 'hex');
  return [hex, bytes.toString('base64'), bytes.toString('base64url')].includes(stated);
}

function undelivered(of: Of): string[] {
  const received = new Set(of('event.received').map(({ id }) => id));
  return [
    ...of('final.outbox').map(({ id }) => `outbox row ${id} was never sent`),
    ...of('final.delivery')
      .filter(({ eventId, state }) => state !== 'delivered' || !received.has(eventId))
      .map(
        ({ eventId, type, state }) =>
          `event ${eventId} (${type}) is ${state} and was ${received.has(eventId) ? '' : 'not '}received`,
      ),
  ];
}

/** After the sweep an object is a source in use, or of a published generation, or the work it was made of. */
function orphanObjects(objects: Rows, jobs: Rows, videos: Rows, uploads: readonly Line[]): string[] {
  const sources = new Set(
    uploads.filter(({ state }) => state === 'accepted').map(({ objectKey }) => objectKey),
  );
  const published = [...videos.values()].flatMap(({ outputPrefix, job }) =>
    outputPrefix && jobs.has(job) ? [String(outputPrefix), `work/${job}/`] : [],
  );
  const prefixes = new Set(published);
  return [...objects.keys()]
    .filter((key) => !sources.has(key) && !prefixes.has(key.slice(0, key.lastIndexOf('/') + 1)))
    .map((key) => `${key} belongs to nothing`);
}

/** Usage is the sum of the rows, and the rows say what storage holds. */
function quotaDifference(of: Of, videos: Rows, objects: Rows): string[] {
  const rows = of('final.upload').filter(({ state, videoId }) => state === 'accepted' && videos.has(videoId));
  const bytes = rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const stored = [...objects.values()]
    .filter(({ key }) => key.startsWith('sources/'))
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return bytes === stored ? [] : [`the quota counts ${bytes} bytes, storage holds ${stored}`];
}
