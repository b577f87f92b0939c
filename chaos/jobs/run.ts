// `npm run chaos`: many small jobs on a whole stack of real processes while tickets are lost, doubled and late,
// storage and ledger fail, transcoders and the Worker are killed, and zombies wake. Then the history is checked.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePortPair } from '../../local/ports.ts';
import { type Stack, startStack } from '../../local/stack.ts';
import { apiAt } from '../../test/support/api.ts';
import { migratedHomeAt } from '../../test/support/migrated-state.ts';
import { mintToken } from '../../transcoder/cli/local-stack.ts';
import { checkHistory, type Findings } from './checker.ts';
import { startEventReceiver } from './event-receiver.ts';
import { type FaultHost, startFaultHost } from './fault-host.ts';
import { type FaultRates, faultRulesOf } from './fault-rules.ts';
import { makeStaleDue, noteFinalState, staleLeft } from './final-state.ts';
import { runGenerator } from './generator.ts';
import { type History, openHistory, readHistory } from './history.ts';
import { type NemesisOptions, startNemesis } from './nemesis.ts';
import { type Observer, startObserver } from './observer.ts';
import { createTicketFaults } from './ticket-faults.ts';
import { walkVideos } from './walk.ts';

export type JobChaosOptions = Omit<NemesisOptions, 'leaseSeconds'> & { clients: number };

export type JobChaosReport = Findings & {
  history: string;
  /** Faults that were, by kind. */
  faults: Record<string, number>;
  /** From the last fault until every job had ended. */
  settleSeconds: number;
  seconds: number;
};

export const LEASE_SECONDS = 6;
const RATES: FaultRates = { r2: 5, worker: 3, client: 5 };
const TICKET_RATES = { dropped: 0.3, duplicated: 0.3 };
const LONGEST_RUN_MS = 30 * 60_000;

export async function runJobChaos(
  options: JobChaosOptions,
  say: (line: string) => void = () => {},
): Promise<JobChaosReport> {
  const startedAtMs = Date.now();
  const folder = await mkdtemp(join(tmpdir(), 'reelay-chaos-'));
  const path = join(folder, 'history.jsonl');
  let faults: Record<string, number>;
  let settleSeconds: number;
  {
    await using history = openHistory(path);
    history.note('options', options);
    settleSeconds = await runOn(folder, options, history, say);
    faults = Object.fromEntries(
      [...history.counts].filter(([event]) => /^(fault|nemesis|ticket)\./.test(event)),
    );
  }
  const findings = checkHistory(await readHistory(path));
  // The history of a run that broke something is what there is to find out why.
  if (findings.broken.length === 0 && !process.env.KEEP_STACK)
    await rm(folder, { recursive: true, force: true });
  return { ...findings, history: path, faults, settleSeconds, seconds: (Date.now() - startedAtMs) / 1000 };
}

async function runOn(
  folder: string,
  options: JobChaosOptions,
  history: History,
  say: (line: string) => void,
): Promise<number> {
  const rules = faultRulesOf(options.seed, RATES);
  const home = await migratedHomeAt(join(folder, 'home'));
  const port = await findFreePortPair();
  const workerUrl = `http://127.0.0.1:${port}`;
  const tickets = createTicketFaults(() => `http://127.0.0.1:${port + 1}`, TICKET_RATES, { rules, history });
  await using host = await startFaultHost({ workerUrl: () => workerUrl, tickets, rules, history });
  await using receiver = await startEventReceiver(rules, history);
  const stack = await startStack({
    ...{ home, port, transcoders: options.transcoders, isReset: false, cronSeconds: 1 },
    variables: {
      ...{ LEASE_SECONDS: String(LEASE_SECONDS), HEARTBEAT_SECONDS: '1', RATE_LIMITS: 'off' },
      ...{ WEBHOOK_ALLOW_LOOPBACK: 'on', R2_S3_ENDPOINT: `${host.url}/cdn-cgi/local/r2/s3` },
    },
    transcoderVariables: { REELAY_URL: host.url, QUEUES_API: host.url, IDLE_CLAIM_MS: '1000' },
  });
  tickets.begin(stack.secrets.queueToken);
  say(`stack up at ${workerUrl}, faults at ${host.url}`);
  let observer: Observer | undefined;
  try {
    const admin = apiAt(stack.url, mintToken(stack.secrets, 'admin', 'chaos'));
    await admin.call('/v1/webhooks', { method: 'POST', json: { url: receiver.url } });
    observer = startObserver(home.workerState, history);
    const settleSeconds = await underFaults(folder, stack, observer, host, options, { rules, history, say });
    await settleAndWalk(stack, home.workerState, observer, history, say);
    return settleSeconds;
  } finally {
    await observer?.stop();
    await stack.stop();
  }
}

type Tools = { rules: ReturnType<typeof faultRulesOf>; history: History; say: (line: string) => void };

async function underFaults(
  folder: string,
  stack: Stack,
  observer: Observer,
  host: FaultHost,
  options: JobChaosOptions,
  { rules, history, say }: Tools,
): Promise<number> {
  const nemesis = startNemesis(
    stack,
    observer,
    { ...options, leaseSeconds: LEASE_SECONDS },
    { history, say },
  );
  const clips = join(folder, 'clips');
  await mkdir(clips);
  try {
    const world = {
      url: host.url,
      token: mintToken(stack.secrets, 'uploader', 'chaos'),
      observer,
      rules,
      history,
    };
    await runGenerator({ ...options, folder: clips }, world);
    await nemesis.finished;
    await observer.until(
      () => observer.open() <= options.transcoders,
      LONGEST_RUN_MS,
      'only a few jobs open',
    );
  } finally {
    await nemesis.stop();
  }
  host.end();
  const lastFaultAtMs = Date.now();
  say(`the last fault has been; ${observer.open()} jobs are open`);
  await observer.until(() => observer.open() === 0, 300_000, 'every job ended');
  return (Date.now() - lastFaultAtMs) / 1000;
}

async function settleAndWalk(
  stack: Stack,
  state: string,
  observer: Observer,
  history: History,
  say: (line: string) => void,
): Promise<void> {
  // A retry of a webhook comes after five seconds and a few more.
  await sleep(1000);
  const ready = [...observer.jobs.values()].filter((job) => job.state === 'succeeded');
  const deleted = new Set<string>();
  const api = apiAt(stack.url, mintToken(stack.secrets, 'uploader', 'chaos'));
  for (const videoId of new Set(ready.map((job) => job.videoId))) {
    const answer = await api.request(`/v1/videos/${videoId}`);
    await answer.body?.cancel();
    if (answer.status === 404) deleted.add(videoId);
  }
  const videoIds = [...new Set(ready.map((job) => job.videoId))].filter((id) => !deleted.has(id));
  say(`reading ${videoIds.length} videos`);
  await walkVideos({ url: stack.url, token: api.token }, videoIds, history);
  await stack.killWorker();
  await makeStaleDue(state);
  await stack.startWorker();
  say('sweeping');
  for (let sweeps = 0; sweeps < 120; sweeps += 1) {
    await sweep(stack.url);
    if ((await staleLeft(state)) === 0 && sweeps > 3) break;
    await sleep(200);
  }
  await sweep(stack.url);
  await stack.killWorker();
  await noteFinalState(state, history);
}

async function sweep(url: string): Promise<void> {
  const response = await fetch(new URL('/cdn-cgi/local/scheduled?cron=*+*+*+*+*', url));
  const text = await response.text();
  if (!response.ok) throw new Error(`the cron answered ${response.status}: ${text}`);
}
