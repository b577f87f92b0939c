// Buckets, database, queues and the pull consumer: each is made when reading says that it is not there.
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import { PlainFailure, row } from '../setup/screen.mjs';
import type { Wanted } from './config.ts';
import { failureOf, made, type Wrangler } from './wrangler.ts';

/** A ticket that a transcoder took and did not answer for comes back after this long. */
const TICKET_VISIBILITY_SECONDS = 30;
const TICKET_BATCH = 10;
const TICKET_RETRIES = 3;

export async function ensureBuckets(wrangler: Wrangler, { buckets }: Wanted): Promise<void> {
  for (const bucket of buckets) {
    if (
      await isThere(wrangler, ['r2', 'bucket', 'lifecycle', 'list', bucket], /\[code: 10006\]|does not exist/)
    ) {
      row('bucket', `${bucket} is there`);
      continue;
    }
    await wrangler.write(['r2', 'bucket', 'create', bucket]);
    made(wrangler, 'bucket', `${bucket} made`);
  }
}

const Databases = z.array(z.object({ uuid: z.string(), name: z.string() }));

/** @returns its id, or what stands for it in a dry run */
export async function ensureDatabase(wrangler: Wrangler, { database }: Wanted): Promise<string> {
  const existing = await findDatabase(wrangler, database);
  if (existing) {
    row('database', `${database.name} is there`);
    return existing;
  }
  if (database.id !== undefined && !wrangler.isDryRun)
    throw new PlainFailure(
      `wrangler.toml names the database ${database.id}, which this account has not: correct or remove its database_id`,
    );
  await wrangler.write(['d1', 'create', database.name]);
  made(wrangler, 'database', `${database.name} made`);
  const created = await findDatabase(wrangler, database);
  if (created) return created;
  if (wrangler.isDryRun) return '<id of the database>';
  throw new PlainFailure(`the database ${database.name} is not in the list yet: run npm run deploy again`);
}

async function findDatabase(wrangler: Wrangler, wanted: Wanted['database']): Promise<string | undefined> {
  const args = ['d1', 'list', '--json'];
  const answer = await wrangler.read(args);
  if (!answer) return undefined;
  if (answer.code !== 0) throw failureOf(args, answer);
  const databases = Databases.parse(JSON.parse(answer.stdout));
  return databases.find(({ uuid, name }) => (wanted.id ? uuid === wanted.id : name === wanted.name))?.uuid;
}

/** @returns the id of the queue of tickets, or what stands for it in a dry run */
export async function ensureQueues(wrangler: Wrangler, wanted: Wanted): Promise<string> {
  for (const queue of wanted.queues) {
    if (await isThere(wrangler, ['queues', 'info', queue], /does not exist/)) {
      row('queue', `${queue} is there`);
      continue;
    }
    await wrangler.write(['queues', 'create', queue]);
    made(wrangler, 'queue', `${queue} made`);
  }
  return await ensurePullConsumer(wrangler, wanted);
}

async function ensurePullConsumer(wrangler: Wrangler, wanted: Wanted): Promise<string> {
  const { ticketQueue } = wanted;
  const args = ['queues', 'info', ticketQueue];
  const answer = await wrangler.read(args);
  // A dry run has not made the queue that it would make.
  if (answer && answer.code !== 0 && !wrangler.isDryRun) throw failureOf(args, answer);
  const info = stripVTControlCharacters(answer?.stdout ?? '');
  if (/^Consumers:.*HTTP Pull Consumer/m.test(info)) {
    row('consumer', `of ${ticketQueue}, over HTTP pull, is there`);
  } else {
    await wrangler.write(pullConsumerArgs(wanted));
    made(wrangler, 'consumer', `of ${ticketQueue}, over HTTP pull, made`);
  }
  const id = /^Queue ID: (\S+)/m.exec(info)?.[1];
  if (id) return id;
  if (wrangler.isDryRun) return '<id of the queue>';
  throw new PlainFailure(`wrangler does not say the id of ${ticketQueue}: run npm run deploy again`);
}

function pullConsumerArgs({ ticketQueue, ticketDeadQueue }: Wanted): string[] {
  return [
    ...['queues', 'consumer', 'http', 'add', ticketQueue],
    ...['--batch-size', String(TICKET_BATCH), '--message-retries', String(TICKET_RETRIES)],
    ...['--dead-letter-queue', ticketDeadQueue],
    ...['--visibility-timeout-secs', String(TICKET_VISIBILITY_SECONDS)],
  ];
}

/** @throws PlainFailure where the answer is neither yes nor the one no that is meant */
async function isThere(wrangler: Wrangler, args: string[], absent: RegExp): Promise<boolean> {
  const answer = await wrangler.read(args);
  if (!answer) return false;
  if (answer.code === 0) return true;
  if (absent.test(stripVTControlCharacters(answer.stderr + answer.stdout))) return false;
  throw failureOf(args, answer);
}
