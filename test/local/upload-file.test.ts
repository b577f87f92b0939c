import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../../shared/limits.ts';
import { createApiClient } from '../../transcoder/cli/api-client.ts';
import type { RetryPolicy } from '../../transcoder/cli/retry.ts';
import {
  type UploadEvents,
  UploadInterrupted,
  type UploadRequest,
  uploadFile,
} from '../../transcoder/cli/upload-file.ts';
import { journalOf, stateFolder } from '../../transcoder/cli/upload-journal.ts';
import { startUploadStandIn, type UploadStandIn } from '../support/upload-stand-in.ts';

// How the command line sends a file, and how it goes on after it was ended at any moment.

const PART_BYTES = MIB;
const PARTS = 6;
const SIZE_BYTES = PARTS * PART_BYTES - 7;
const QUICK: RetryPolicy = { attempts: 4, patienceMs: 0, firstDelayMs: 1, maxDelayMs: 5 };

let folder: string;
let path: string;
let standIn: UploadStandIn;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-upload-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(async () => {
  standIn = await startUploadStandIn(SIZE_BYTES, PART_BYTES);
  path = join(folder, `${crypto.randomUUID()}.bin`);
  await writeFile(
    path,
    Buffer.alloc(SIZE_BYTES).map((_, index) => index >> 20),
  );
});

afterEach(() => standIn.stop());

const journal = () => journalOf(folder, standIn.url, path, {});

function upload(
  method: UploadRequest['method'],
  { more, ...events }: UploadEvents & { more?: Partial<UploadRequest> } = {},
) {
  const client = createApiClient(standIn.url, 'x', { signal: events.signal });
  const request = { path, method, video: {}, journal: journal(), ...more };
  return uploadFile(client, request, { retryPolicy: QUICK, ...events });
}

const arrivals = () => standIn.arrived.map(({ number }) => number).sort();
const failureOf = (uploading: Promise<unknown>) =>
  uploading.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Cuts the client off as soon as `parts` of them are held. */
function cutAfter(parts: number): AbortSignal {
  const cutting = new AbortController();
  standIn.fault = ({ kind }) => {
    if (kind === 'part' && standIn.held.size >= parts) cutting.abort(new Error('Ctrl-C'));
    return undefined;
  };
  return cutting.signal;
}

describe('sending a file in parts', () => {
  it('streams each once, at most four at a time, each with its length', async () => {
    const sent: number[] = [];
    const result = await upload('multipart', { onBytes: (bytes) => sent.push(bytes) });
    expect(result).toMatchObject({ videoId: 'v', jobId: 'j', method: 'multipart' });
    const parts = standIn.arrived.sort((one, other) => one.number - other.number);
    expect(parts).toEqual(
      [0, 1, 2, 3, 4, 5].map((index) => ({
        ...{ number: index + 1, firstByte: index },
        sizeBytes: index === 5 ? PART_BYTES - 7 : PART_BYTES,
      })),
    );
    expect(standIn.mostAtOnce).toBeLessThanOrEqual(4);
    expect(Math.max(...sent)).toBe(SIZE_BYTES);
  });

  it('sends a part again that met an overload, and that part alone', async () => {
    standIn.fault = ({ kind, number, attempt }) =>
      kind === 'part' && number === 2 && attempt === 1
        ? { status: 503, code: 'storage_unavailable' }
        : undefined;
    await upload('multipart');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('waits as long as the server asks', async () => {
    standIn.fault = ({ kind, number, attempt }) =>
      kind === 'part' && number === 2 && attempt === 1
        ? { status: 429, code: 'rate_limited', headers: { 'retry-after': '1' } }
        : undefined;
    const waits: number[] = [];
    await upload('multipart', { onWait: (_error, delayMs) => waits.push(delayMs) });
    expect(waits).toEqual([1000]);
  });

  it('does not send a part again of which only the answer was lost', async () => {
    standIn.fault = ({ kind, number, attempt }) =>
      kind === 'part' && number === 3 && attempt === 1 ? 'reply lost' : undefined;
    await upload('multipart');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each(['multipart', 'presigned'] as const)(
    'sends a %s part again that was damaged on the way',
    async (method) => {
      const kind = method === 'presigned' ? 'storage' : 'part';
      const code = method === 'presigned' ? 'BadDigest' : 'upload_checksum_mismatch';
      standIn.fault = (request) =>
        request.kind === kind && request.number === 2 && request.attempt === 1
          ? { status: 422, code }
          : undefined;
      await upload(method);
      expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
    },
  );

  it('does not repeat a completion that found the whole file damaged', async () => {
    standIn.fault = ({ kind }) =>
      kind === 'complete' ? { status: 422, code: 'upload_checksum_mismatch' } : undefined;
    expect(await failureOf(upload('multipart'))).toMatchObject({ isResumable: false });
    expect(standIn.count('complete')).toBe(1);
  });

  it('waits for a part that an earlier request of its own is still writing', async () => {
    standIn.fault = ({ kind, number, attempt }) =>
      kind === 'part' && number === 2 && attempt <= 2
        ? { status: 409, code: 'upload_part_in_progress', headers: { 'retry-after': '0' } }
        : undefined;
    await upload('multipart');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('does not repeat what was refused for good', async () => {
    standIn.fault = ({ kind, number }) =>
      kind === 'part' && number === 2 ? { status: 422, code: 'upload_part_size_mismatch' } : undefined;
    const failed = await failureOf(upload('multipart'));
    expect(failed).toBeInstanceOf(UploadInterrupted);
    expect(failed).toMatchObject({
      isResumable: false,
      cause: { code: 'upload_part_size_mismatch', status: 422 },
    });
    expect(standIn.requests.filter(({ kind, number }) => kind === 'part' && number === 2)).toHaveLength(1);
    expect(standIn.state).toBe('aborted');
  });

  it('sends what completion finds missing', async () => {
    standIn.fault = ({ kind, attempt }) => {
      if (kind === 'complete' && attempt === 1) standIn.held.delete(4);
      return undefined;
    };
    await upload('multipart');
    expect(arrivals()).toEqual([1, 2, 3, 4, 4, 5, 6]);
  });
});

describe('an upload that was cut off', () => {
  it('goes on with the parts that are missing and no others', async () => {
    const cut = await failureOf(upload('multipart', { signal: cutAfter(2), more: { parallelParts: 1 } }));
    expect(cut).toMatchObject({ isResumable: true });
    const heldBefore = [...standIn.held.keys()];
    expect(heldBefore.length).toBeGreaterThanOrEqual(2);

    standIn.fault = () => undefined;
    standIn.arrived = [];
    await upload('multipart');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6].filter((number) => !heldBefore.includes(number)));
    expect(standIn.count('create')).toBe(1);
  });

  it('only asks for the outcome when every byte had been accepted', async () => {
    standIn.fault = ({ kind }) => (kind === 'complete' ? 'reply lost' : undefined);
    await failureOf(upload('multipart'));
    expect(standIn.state).toBe('accepted');
    standIn.fault = () => undefined;
    standIn.arrived = [];
    expect(await upload('multipart')).toMatchObject({ jobId: 'j' });
    expect(arrivals()).toEqual([]);
  });

  it('asks for the same upload again when the answer to its creation was lost', async () => {
    standIn.fault = ({ kind }) => (kind === 'create' ? 'reply lost' : undefined);
    const cutting = new AbortController();
    await failureOf(
      upload('multipart', { signal: cutting.signal, onWait: () => cutting.abort(new Error('Ctrl-C')) }),
    );
    standIn.fault = () => undefined;
    await upload('multipart');
    expect(standIn.keys).toHaveLength(2);
    expect(new Set(standIn.keys).size).toBe(1);
  });

  it('starts anew and says so when the file has changed', async () => {
    await failureOf(upload('multipart', { signal: cutAfter(2) }));
    standIn.fault = () => undefined;
    standIn.arrived = [];
    standIn.held.clear();
    await utimes(path, new Date(), new Date(Date.now() + 5000));
    const notes: string[] = [];
    await upload('multipart', { onNote: (note) => notes.push(note) });
    expect(notes).toEqual(['The file has changed since the upload began; it starts anew.']);
    expect(standIn.count('abort')).toBe(1);
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each(['expired', 'aborted'] as const)('starts anew and says so when it is %s', async (state) => {
    await failureOf(upload('multipart', { signal: cutAfter(2) }));
    standIn.fault = () => undefined;
    standIn.state = state;
    const notes: string[] = [];
    const uploading = upload('multipart', { onNote: (note) => notes.push(note) });
    await failureOf(uploading);
    expect(notes).toEqual([`The upload begun earlier is ${state}; it starts anew.`]);
    expect(standIn.count('create')).toBe(2);
  });

  it('is given up when the file changes under it', async () => {
    let hasChanged = false;
    standIn.fault = ({ kind }) => {
      if (kind === 'part' && !hasChanged) {
        hasChanged = true;
        void utimes(path, new Date(), new Date(Date.now() + 5000));
      }
      return undefined;
    };
    const failed = await failureOf(upload('multipart'));
    expect(failed).toMatchObject({ isResumable: false, cause: { code: 'file_changed' } });
    expect(standIn.state).toBe('aborted');
    expect(await journal().read()).toBeUndefined();
  });
});

describe('presigned parts', () => {
  it('go to storage with addresses fetched together, and are reported one by one', async () => {
    await upload('presigned');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(standIn.count('presign')).toBe(1);
    expect(standIn.count('report')).toBe(PARTS);
  });

  it('are sent again with a fresh address when theirs has run out', async () => {
    standIn.fault = ({ kind, number, attempt }) =>
      kind === 'storage' && number === 2 && attempt === 1
        ? { status: 403, code: 'ExpiredRequest' }
        : undefined;
    await upload('presigned');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(standIn.count('presign')).toBe(2);
  });

  it('are not sent again when the client ended between storage and report', async () => {
    const cutting = new AbortController();
    standIn.fault = ({ kind }) => {
      if (kind !== 'report') return undefined;
      cutting.abort(new Error('kill'));
      return 'cut';
    };
    await failureOf(upload('presigned', { signal: cutting.signal, more: { parallelParts: 1 } }));
    expect(arrivals()).toEqual([1]);
    expect(standIn.held.size).toBe(0);

    standIn.fault = () => undefined;
    await upload('presigned');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await journal().read())?.unreportedEtags).toEqual({});
  });

  it('repeat the report alone when the report fails', async () => {
    standIn.fault = ({ kind, number, attempt }) =>
      kind === 'report' && number === 5 && attempt < 3 ? 'cut' : undefined;
    await upload('presigned');
    expect(arrivals()).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe('the method of `auto`', () => {
  const LARGE_BYTES = 17 * MIB;

  beforeEach(async () => {
    await standIn.stop();
    standIn = await startUploadStandIn(LARGE_BYTES, 8 * MIB);
    await writeFile(path, Buffer.alloc(LARGE_BYTES));
  });

  it('is one with parts for a file that would hurt to send twice', async () => {
    expect(await upload('auto')).toMatchObject({ method: 'presigned' });
  });

  it('goes through the edge where storage cannot be reached directly', async () => {
    standIn.methods = ['single', 'multipart'];
    expect(await upload('auto')).toMatchObject({ method: 'multipart' });
    expect(standIn.requests.filter(({ kind }) => kind === 'create')).toHaveLength(2);
  });
});

describe('the journal', () => {
  it('lies in the state folder of the XDG specification unless told otherwise', () => {
    expect(stateFolder({ REELAY_STATE: '/a' })).toBe('/a');
    expect(stateFolder({ XDG_STATE_HOME: '/b' })).toBe('/b/reelay');
    expect(stateFolder({})).toMatch(/\/\.local\/state\/reelay$/);
  });

  it('is another one for another deployment, file or set of options', async () => {
    const entry = {
      path,
      file: { sizeBytes: 1, mtimeNs: '1', inode: '1' },
      idempotencyKey: 'k',
      unreportedEtags: {},
    };
    await journalOf(folder, 'http://a.example', path, { method: 'auto' }).write(entry);
    expect(await journalOf(folder, 'http://a.example/', path, { method: 'auto' }).read()).toEqual(entry);
    expect(await journalOf(folder, 'http://b.example', path, { method: 'auto' }).read()).toBeUndefined();
    expect(
      await journalOf(folder, 'http://a.example', `${path}2`, { method: 'auto' }).read(),
    ).toBeUndefined();
    expect(await journalOf(folder, 'http://a.example', path, { method: 'single' }).read()).toBeUndefined();
  });

  it('counts as absent when it is damaged, and leaves no drafts behind', async () => {
    const own = join(folder, 'own');
    const damaged = journalOf(own, 'http://a.example', path, {});
    await damaged.write({
      path,
      file: { sizeBytes: 1, mtimeNs: '1', inode: '1' },
      idempotencyKey: 'k',
      unreportedEtags: {},
    });
    const names = await readdir(join(own, 'uploads'));
    expect(names).toHaveLength(1);
    const file = join(own, 'uploads', names[0]!);
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, 20));
    expect(await damaged.read()).toBeUndefined();
  });
});
