import { rm } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder } from '../support/media.ts';
import { startStack } from '../support/stack.ts';
import { DIFFERENCES } from '../support/tus-differences.ts';
import { liveTwice, sentenceOf } from '../support/tus-lockstep.ts';
import { lives } from '../support/tus-sequences.ts';

let stack: Awaited<ReturnType<typeof startStack>>;
beforeAll(async () => {
  stack = await startStack({ transcoders: 0 });
});
afterAll(async () => {
  await stack?.stop();
});

describe('the reference server', () => {
  /** A fixed seed: what a failure shows can be had again, and the table's every row is met. */
  const SEED = 20261120;
  const LIVES = 120;

  let folder: string;
  let reference: HttpServer;

  beforeAll(async () => {
    folder = await makeFolder('tus-reference');
    const tus = new Server({
      path: '/files',
      datastore: new FileStore({ directory: folder, expirationPeriodInMilliseconds: 24 * 3600_000 }),
      maxSize: 900 * 1024 ** 3,
      disableTerminationForFinishedUploads: true,
    });
    reference = createServer((request, response) => void tus.handle(request, response));
    await new Promise<void>((resolve) => reference.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    reference?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it(`answers ${LIVES} generated lives of an upload as we do, but for the differences in the table`, async () => {
    const { port } = reference.address() as AddressInfo;
    const servers = {
      ours: {
        endpoint: `${stack.url}/v1/tus`,
        headers: { Authorization: `Bearer ${await stack.token('uploader')}` },
      },
      theirs: { endpoint: `http://127.0.0.1:${port}/files`, headers: {} },
    };
    const met = new Set<string>();
    const surprises: string[] = [];
    for (const life of fc.sample(lives, { numRuns: LIVES, seed: SEED })) {
      for (const parting of await liveTwice(servers, life)) {
        const known = DIFFERENCES.find((difference) => difference.isIt(parting));
        if (known) met.add(known.what);
        else surprises.push(sentenceOf(parting));
      }
    }
    expect(surprises).toEqual([]);
    // A row that nothing meets would hide a difference that comes back.
    expect([...met].sort()).toEqual(DIFFERENCES.map(({ what }) => what).sort());
  });
});
