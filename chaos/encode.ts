// Transcoders killed with -9, one after another, while they work on one video: it must come out whole.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Api, apiAt, type Json, jobEnd, uploadFile } from '../test/support/api.ts';
import { makeClip, makeFolder } from '../test/support/media.ts';
import { packetsOf, readHls } from '../test/support/published.ts';
import { startStack, type TestStack } from '../test/support/stack.ts';
import { type Chance, chanceOf } from './seeded.ts';
import { accountOf, type LogLine, linesOf, type SegmentAccount } from './transcoder-log.ts';

export type EncodeChaosOptions = {
  seed: number;
  clipSeconds: number;
  segmentSeconds: number;
  kills: number;
  transcoders: number;
};

export type EncodeChaosReport = SegmentAccount & {
  kills: number;
  jobState: string;
  jobError?: string;
  segmentsPlanned: number;
  framesPlanned: number;
  /** Decodable pictures of each rung, as a strict reader counts them. */
  frames: Record<string, number>;
  hasCertificate: boolean;
  seconds: number;
};

const FPS = 30;
const LONGEST_DELAY_MS = 1500;
const POLL_MS = 50;

export async function runEncodeChaos(
  options: EncodeChaosOptions,
  say: (line: string) => void,
): Promise<EncodeChaosReport> {
  const folder = await makeFolder('chaos-encode');
  const stack = await startStack({ transcoders: options.transcoders });
  try {
    const api = apiAt(stack.url, await stack.token('uploader'));
    const clip = await makeClip(join(folder, 'clip.mp4'), { seconds: options.clipSeconds, size: '640x360' });
    const startedAtMs = Date.now();
    const { videoId, jobId } = await uploadFile(api, clip, 'single', {
      segmentSeconds: options.segmentSeconds,
    });
    const ended = jobEnd(api, jobId, 30 * 60_000);
    const fleet = startKilling(stack, options, chanceOf(options.seed), say);
    const job = await ended;
    const { kills, logFiles } = await fleet.stop();
    const lines = (await Promise.all(logFiles.map(linesOf))).flat();
    return {
      kills,
      jobState: job.state,
      ...(job.error && { jobError: `${job.error.code}: ${job.error.detail}` }),
      segmentsPlanned: Math.ceil(options.clipSeconds / options.segmentSeconds),
      framesPlanned: options.clipSeconds * FPS,
      ...(job.state === 'succeeded' ? await published(api, videoId) : { frames: {}, hasCertificate: false }),
      seconds: (Date.now() - startedAtMs) / 1000,
      ...accountOf(lines),
    };
  } finally {
    await stack.stop();
  }
}

async function published(
  api: Api,
  videoId: string,
): Promise<Pick<EncodeChaosReport, 'frames' | 'hasCertificate'>> {
  const urls = await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
  const frames: Record<string, number> = {};
  for (const { attributes, playlist } of (await readHls(urls.hls)).variants) {
    frames[attributes.RESOLUTION!] = (await packetsOf(playlist.url)).length;
  }
  const certificate: Json = await api.call(`/v1/videos/${videoId}/certificate`);
  return { frames, hasCertificate: certificate.checks?.length > 0 };
}

/**
 * Every kill comes after one more segment of the clip was committed, plus a moment that the seed chooses, and hits
 * one of the transcoders; another takes its place under a new id, as a new container would.
 */
function startKilling(
  stack: TestStack,
  options: EncodeChaosOptions,
  chance: Chance,
  say: (line: string) => void,
) {
  const logFiles = Array.from({ length: options.transcoders }, (_, index) => stack.transcoderLog(index));
  const alive = logFiles.map((_, index) => index);
  const segments = Math.ceil(options.clipSeconds / options.segmentSeconds);
  const stopping = new AbortController();
  let kills = 0;

  const committed = async () => {
    const lines: LogLine[] = (await Promise.all(logFiles.map(linesOf))).flat();
    return new Set(lines.filter(isCommit).map(({ segment }) => segment)).size;
  };
  const run = async () => {
    while (kills < options.kills) {
      const threshold = Math.floor((kills * segments * 0.9) / options.kills);
      while ((await committed()) < threshold) await sleep(POLL_MS, undefined, { signal: stopping.signal });
      await sleep(chance.between(0, LONGEST_DELAY_MS), undefined, { signal: stopping.signal });
      const place = chance.between(0, alive.length - 1);
      await stack.killTranscoder(alive[place]!, 'SIGKILL');
      kills++;
      await stack.startTranscoder();
      alive[place] = logFiles.length;
      logFiles.push(stack.transcoderLog(alive[place]));
      say(`kill ${kills} of ${options.kills}, ${await committed()} of ${segments} segments committed`);
    }
  };
  const running = run().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  return {
    stop: async () => {
      stopping.abort();
      await running;
      return { kills, logFiles };
    },
  };
}

function isCommit({ event }: LogLine): boolean {
  return event === 'segment.committed';
}

/** Empty when all held. At most two segments may be encoded again per kill: those of the two waiting to be stored. */
export function brokenEncodePromises(report: EncodeChaosReport): string[] {
  const broken: string[] = [];
  if (report.jobState !== 'succeeded') broken.push(`the job ended ${report.jobState}: ${report.jobError}`);
  if (!report.hasCertificate) broken.push('there is no certificate');
  for (const [rung, frames] of Object.entries(report.frames)) {
    if (frames !== report.framesPlanned)
      broken.push(`${rung} has ${frames} frames, not ${report.framesPlanned}`);
  }
  if (report.encoded !== report.segmentsPlanned) {
    broken.push(`${report.encoded} of ${report.segmentsPlanned} segments were encoded`);
  }
  if (report.encodedAgain > 2 * report.kills) {
    broken.push(`${report.encodedAgain} segments encoded again after ${report.kills} kills`);
  }
  for (const name of report.storedTwice) broken.push(`${name} was stored twice`);
  return broken;
}

export function encodeTable(report: EncodeChaosReport): string {
  const rows: [string, string | number][] = [
    ['transcoders killed with -9', report.kills],
    ['job', `${report.jobState} after ${report.seconds.toFixed(0)} s`],
    ['frames planned', report.framesPlanned],
    ...Object.entries(report.frames).map(([rung, frames]): [string, number] => [`frames of ${rung}`, frames]),
    ['segments, each on every rung', `${report.encoded} of ${report.segmentsPlanned}`],
    ['segments encoded again', `${report.encodedAgain} (promised: at most 2 per kill)`],
    ['objects stored twice', report.storedTwice.length],
    ['certificate', report.hasCertificate ? 'passed' : 'none'],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}
