// 20,000 generated requests over HTTP against a model of RFC 9110, and the same to nginx, whose differences are
// counted by the sentence of the RFC that allows or forbids them. RANGES and RANGES_SEED say otherwise.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KIB, MIB } from '../shared/limits.ts';
import { makeFolder } from '../test/support/media.ts';
import { randomOf } from '../test/support/random.ts';
import {
  faultOf,
  type ModelAnswer,
  type ModelObject,
  type ModelRequest,
  modelAnswer,
  randomRequest,
} from '../test/support/range-model.ts';
import { benchToken, startDirectWorkers } from './direct-worker.ts';
import { startNginx } from './nginx.ts';

const REQUESTS = 20_000;
const SIZES = [0, 1, 1000, 64 * KIB, 5 * MIB + 1];
/** The largest is asked for less often: sending it is what takes the time. */
const TURNS = [0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 4];
const CONNECTIONS = 8;
const PREFIX = 'hls/videos/bench/generation/';
const MAX_SHOWN = 10;

type Target = { url: string; bytes: Uint8Array; model: ModelObject };
type Asked = { asked: ModelRequest; target: Target; status: number; fault?: string };

/** @throws Error where an answer of ours is not the model's */
export async function benchRanges(): Promise<void> {
  const { RANGES = String(REQUESTS), RANGES_SEED = String(Date.now() % 2 ** 31) } = process.env;
  const seed = Number(RANGES_SEED);
  console.log(`${RANGES} requests of seed ${seed} on objects of ${SIZES.join(', ')} bytes`);
  const folder = await makeFolder('bench-ranges');
  const bodies = SIZES.map((sizeBytes) =>
    Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 7 + (index >> 8)) & 0xff),
  );
  const workers = await startDirectWorkers(join(folder, 'bundle'));
  const nginx = await startNginx(folder);
  try {
    const token = await benchToken(PREFIX);
    for (const [index, bytes] of bodies.entries()) {
      await workers.put(`${PREFIX}audio_en_00${index}.m4s`, bytes);
      await writeFile(join(folder, `${index}.bin`), bytes);
    }
    const urlOfOurs = (index: number) => `${workers.ours}/p/${token}/${PREFIX}audio_en_00${index}.m4s`;
    const ours = await askAll(await targetsAt(bodies, urlOfOurs), Number(RANGES), seed);
    report('ours', ours);
    const wrong = ours.filter(({ fault }) => fault);
    for (const { fault } of wrong.slice(0, MAX_SHOWN)) console.log(`  ${fault}`);
    if (nginx) {
      const theirs = await targetsAt(bodies, (index) => `${nginx.origin}/${index}.bin`);
      reportNginx(await askAll(theirs, Number(RANGES), seed));
    } else {
      console.log('nginx: not installed, skipped');
    }
    if (wrong.length > 0) throw new Error(`${wrong.length} answers of seed ${seed} are not the RFC's`);
  } finally {
    await nginx?.stop();
    await workers.stop();
    await rm(folder, { recursive: true });
  }
}

async function targetsAt(bodies: Uint8Array[], urlOf: (index: number) => string): Promise<Target[]> {
  return await Promise.all(
    bodies.map(async (bytes, index) => {
      const url = urlOf(index);
      const { headers, status } = await fetch(url, { method: 'HEAD' });
      if (status !== 200) throw new Error(`${url} answered ${status}`);
      const lastModified = new Date(headers.get('Last-Modified')!);
      return { url, bytes, model: { sizeBytes: bytes.length, etag: headers.get('ETag')!, lastModified } };
    }),
  );
}

async function askAll(targets: Target[], count: number, seed: number): Promise<Asked[]> {
  const random = randomOf(seed);
  const questions = Array.from({ length: count }, (_, turn) => {
    const target = targets[TURNS[turn % TURNS.length]!]!;
    return { target, asked: randomRequest(random, target.model) };
  });
  const answers: Asked[] = [];
  const walk = async () => {
    for (let next = questions.pop(); next; next = questions.pop()) answers.push(await ask(next));
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, walk));
  return answers;
}

async function ask({ asked, target }: { asked: ModelRequest; target: Target }): Promise<Asked> {
  const response = await fetch(target.url, asked);
  const { status, headers } = response;
  const body = new Uint8Array(await response.arrayBuffer());
  const fault = await faultOf(asked, target.model, target.bytes, { status, headers, body });
  return { asked, target, status, ...(fault && { fault }) };
}

function report(name: string, answers: Asked[]): void {
  const counts = new Map<number, number>();
  for (const { asked, target } of answers) {
    const { status } = modelAnswer(asked, target.model);
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const wanted = [...counts].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  const right = answers.filter(({ fault }) => !fault).length;
  console.log(`${name}: ${right} of ${answers.length} as the model says (${wanted.join(', ')})`);
}

type Difference = { why: string; isIt(asked: ModelRequest, wanted: ModelAnswer, status: number): boolean };

const rangeIn = ({ headers }: ModelRequest) => headers.Range ?? '';

/** Where nginx differs, in the order they are tried. */
const DIFFERENCES: Difference[] = [
  {
    why: '§13.1.4 "A recipient MUST ignore If-Unmodified-Since if the request contains an If-Match header field", and also if it "is not a valid HTTP-date": nginx heeds it all the same',
    isIt: ({ headers }, wanted, status) =>
      'If-Unmodified-Since' in headers && status === 412 && wanted.status !== 412,
  },
  {
    why: '§13.1.3 "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match header field": nginx wants both to say so',
    isIt: ({ headers }) => 'If-None-Match' in headers && 'If-Modified-Since' in headers,
  },
  {
    why: '§14.2 "For this specification, GET is the only method for which range handling is defined.": nginx ranges HEAD',
    isIt: ({ method, headers }) => method === 'HEAD' && 'Range' in headers,
  },
  {
    why: '§14.2 "A server MAY ignore the Range header field.": nginx does for an empty file',
    isIt: (asked, wanted, status) => rangeIn(asked) !== '' && wanted.status === 416 && status === 200,
  },
  {
    why: '§5.6.1.2 "A recipient MUST parse and ignore a reasonable number of empty list elements": nginx answers 416',
    isIt: (asked, wanted, status) =>
      /[=,]\s*,|,\s*$/.test(rangeIn(asked)) && status === 416 && wanted.status !== 416,
  },
  {
    why: '§14.1.1 puts no bound on positions: nginx answers 416 past 64 bits',
    isIt: (asked, wanted, status) => /\d{19}/.test(rangeIn(asked)) && status === 416 && wanted.status !== 416,
  },
  {
    why: '§14.2 "A server that supports range requests MAY ignore or reject a Range header field that contains an invalid ranges-specifier": we ignore, nginx answers 416',
    isIt: (asked, wanted, status) => rangeIn(asked) !== '' && status === 416 && wanted.status !== 416,
  },
  {
    why: '§14.2 leaves several ranges to the server: nginx sends each, we the whole',
    isIt: (asked, _wanted, status) => rangeIn(asked).includes(',') && status === 206,
  },
  {
    why: '§14.3 leaves Accept-Ranges to the server: nginx leaves it away on a 206',
    isIt: (_asked, wanted, status) => wanted.status === 206 && status === 206,
  },
];

function reportNginx(answers: Asked[]): void {
  report('nginx', answers);
  const different = answers.filter(({ fault }) => fault);
  const byReason = new Map<string, number>();
  const unexplained: string[] = [];
  for (const { asked, target, status, fault } of different) {
    const wanted = modelAnswer(asked, target.model);
    const reason = DIFFERENCES.find(({ isIt }) => isIt(asked, wanted, status))?.why;
    if (reason) byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
    else unexplained.push(fault!);
  }
  for (const [why, count] of byReason) console.log(`  ${count}: RFC 9110 ${why}`);
  if (unexplained.length === 0) return;
  process.exitCode = 1;
  console.log(`  ${unexplained.length} without a sentence of the RFC:`);
  for (const fault of unexplained.slice(0, MAX_SHOWN)) console.log(`    ${fault}`);
}
