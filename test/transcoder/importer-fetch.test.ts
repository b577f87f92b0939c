import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { type Behaviour, type FileServer, startFileServer } from '../support/file-server.ts';
import { type ImportStage, importStage, PART_BYTES } from './import-stage.ts';

// 4 parts, the last one short.
const BYTES = randomBytes(3 * PART_BYTES + 12_345);
const HALF = 400_000;

async function using(
  changes: Partial<Behaviour>,
  work: (server: FileServer, stage: ImportStage) => Promise<void>,
  order: object = {},
): Promise<void> {
  await using server = await startFileServer(BYTES, changes);
  await work(server, importStage({ url: `${server.url}/film.mp4`, ...order }));
}

/** The code an attempt ends with; `stored` when it ends well with the same bytes. */
async function ending(stage: ImportStage, settings = {}): Promise<string> {
  try {
    const sizeBytes = await stage.attempt(settings);
    return sizeBytes === BYTES.length && stage.stored().equals(BYTES) ? 'stored' : 'other bytes';
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

describe('a file that is fetched', () => {
  test('arrives whole, in equal parts, with one request and rising progress', () =>
    using({}, async (server, stage) => {
      expect(await ending(stage)).toBe('stored');
      expect(stage.begun).toEqual([{ validator: '"one"', sizeBytes: BYTES.length }]);
      expect(stage.commits).toEqual([1, 2, 3, 4]);
      expect(server.requests).toHaveLength(1);
      expect(stage.progress.at(-1)).toBe(BYTES.length);
      expect(stage.progress).toEqual(stage.progress.toSorted((a, b) => a - b));
    }));

  test('of a length nobody tells arrives whole all the same', () =>
    using({ isChunked: true, hasRanges: false }, async (_, stage) => {
      expect(await ending(stage)).toBe('stored');
      expect(stage.begun[0]?.sizeBytes).toBeUndefined();
    }));

  test.each([
    ['etag', { etag: '"one"' }, '"one"'],
    ['date', { 'last-modified': 'Sat, 01 Aug 2026 00:00:00 GMT' }, 'Sat, 01 Aug 2026 00:00:00 GMT'],
    [
      'date beside a weak etag',
      { etag: 'W/"one"', 'last-modified': 'Sat, 01 Aug 2026 00:00:00 GMT' },
      'Sat, 01 Aug 2026 00:00:00 GMT',
    ],
  ])('goes on at the very byte where the connection broke, on the proof of its %s', (_what, headers, proof) =>
    using({ headers, cutAfter: [HALF, 100] }, async (server, stage) => {
      expect(await ending(stage)).toBe('stored');
      expect(server.requests.map(({ range }) => range)).toEqual([
        'bytes=0-',
        `bytes=${HALF}-`,
        `bytes=${HALF + 100}-`,
      ]);
      expect(server.requests[1]?.ifRange).toBe(proof);
      expect(server.sentBytes()).toBe(BYTES.length);
      expect(stage.begun).toHaveLength(1);
    }),
  );

  test('goes on where the server hands out no more than so much at a time', () => {
    let handedOut = 0;
    return using(
      {
        answer: (request, response) => {
          const start = Number(/\d+/.exec(request.headers.range ?? '')?.[0]);
          const piece = BYTES.subarray(start, start + 100_000);
          handedOut += piece.length;
          response.writeHead(206, {
            etag: '"one"',
            'content-length': piece.length,
            'content-range': `bytes ${start}-${start + piece.length - 1}/${BYTES.length}`,
          });
          response.end(piece);
          return true;
        },
      },
      async (_, stage) => {
        expect(await ending(stage)).toBe('stored');
        expect(handedOut).toBe(BYTES.length);
      },
    );
  });

  test('is begun again by a server that cannot go on, a few times', () =>
    using({ hasRanges: false, cutAfter: [HALF, HALF, HALF] }, async (server, stage) => {
      expect(await ending(stage)).toBe('stored');
      expect(server.requests).toHaveLength(4);
      expect(stage.begun).toHaveLength(4);
    }));

  test('of a length nobody tells is not taken for whole when its connection breaks', () =>
    using({ isChunked: true, hasRanges: false, cutAfter: [HALF] }, async (server, stage) => {
      expect(await ending(stage)).toBe('stored');
      expect(server.requests).toHaveLength(2);
    }));

  test('is given up by then', () =>
    using({ hasRanges: false, cutAfter: [HALF, HALF, HALF, HALF] }, async (server, stage) => {
      expect(await ending(stage)).toBe('import_unreachable');
      expect(server.requests).toHaveLength(5);
    }));

  test('is begun again when it has no proof of being the same', () =>
    using({ headers: {}, cutAfter: [HALF] }, async (server, stage) => {
      expect(await ending(stage)).toBe('stored');
      expect(server.requests[1]).toMatchObject({ range: 'bytes=0-', ifRange: undefined });
    }));

  test.each([
    ['that knows If-Range', true],
    ['that does not', false],
  ])('is begun again when it has changed on a server %s', (_what, knowsIfRange) =>
    using({ cutAfter: [HALF] }, async (server, stage) => {
      const old = randomBytes(BYTES.length);
      server.behaviour.bytes = old;
      server.behaviour.headers = { etag: '"zero"' };
      server.behaviour.answer = (request) => {
        if (server.requests.length < 2) return false;
        server.behaviour.bytes = BYTES;
        server.behaviour.headers = { etag: '"one"' };
        if (!knowsIfRange) server.requests.at(-1)!.ifRange = undefined;
        return request.method !== 'GET';
      };
      expect(await ending(stage)).toBe('stored');
      expect(stage.begun.map(({ validator }) => validator)).toEqual(['"zero"', '"one"']);
    }),
  );

  test('that changes all the time is given up by that name', () =>
    using({ cutAfter: [HALF, HALF, HALF, HALF, HALF, HALF] }, async (server, stage) => {
      server.behaviour.answer = () => {
        server.behaviour.headers = { etag: `"${server.requests.length}"` };
        return false;
      };
      expect(await ending(stage)).toBe('import_source_changed');
    }));
});

describe('an attempt that ended in the middle', () => {
  async function killedAt(parts: number, stage: ImportStage): Promise<void> {
    const kill = new AbortController();
    stage.r2.failPart = (number) => {
      if (number <= parts) return undefined;
      kill.abort(new Error('killed'));
      return new Error('killed');
    };
    await expect(stage.attempt({}, kill.signal)).rejects.toThrow('killed');
    stage.r2.failPart = undefined;
  }

  test('is followed by one that asks for the first byte that is not durable', () =>
    using({}, async (server, stage) => {
      await killedAt(2, stage);
      const before = server.requests.length;
      expect(await ending(stage)).toBe('stored');
      expect(server.requests.slice(before).map(({ range }) => range)).toEqual([`bytes=${2 * PART_BYTES}-`]);
      expect(stage.commits).toEqual([1, 2, 3, 4]);
      expect(stage.begun).toHaveLength(1);
    }));

  test('is followed by one that begins again when the file has changed', () =>
    using({}, async (server, stage) => {
      server.behaviour.bytes = randomBytes(BYTES.length);
      await killedAt(2, stage);
      server.behaviour.bytes = BYTES;
      server.behaviour.headers = { etag: '"two"' };
      expect(await ending(stage)).toBe('stored');
      expect(stage.begun).toHaveLength(2);
    }));

  test('whose parts storage no longer has is followed by one that begins again', () =>
    using({}, async (server, stage) => {
      await killedAt(2, stage);
      stage.r2.failPart = () => (stage.begun.length < 2 ? new AppError('upload_not_open') : undefined);
      expect(await ending(stage)).toBe('stored');
      expect(server.requests.at(-1)?.range).toBe('bytes=0-');
    }));

  test('with every part durable is followed by one that asks for nothing', () =>
    using({}, async (server, stage) => {
      expect(await ending(stage)).toBe('stored');
      expect(await ending(stage)).toBe('stored');
      expect(server.requests).toHaveLength(1);
    }));
});

describe('an answer that is not the file', () => {
  const answered = (status: number, headers = {}, body = '') =>
    ({
      answer: (_, response) => {
        response.writeHead(status, headers).end(body);
        return true;
      },
    }) satisfies Partial<Behaviour>;

  test.each([
    ['404', answered(404), 'import_refused_by_server'],
    ['403', answered(403), 'import_refused_by_server'],
    ['204', answered(204), 'import_refused_by_server'],
    ['503 for good', answered(503), 'import_refused_by_server'],
    ['gzip', answered(200, { 'content-encoding': 'gzip' }, 'x'), 'import_refused_by_server'],
    ['no range named', answered(206, {}, 'x'), 'import_refused_by_server'],
    ['other bytes', answered(206, { 'content-range': 'bytes 5-9/10' }, 'xxxxx'), 'import_refused_by_server'],
    [
      'an unknown end',
      answered(206, { 'content-range': 'bytes 0-4/*' }, 'xxxxx'),
      'import_refused_by_server',
    ],
    ['a way to https', answered(302, { location: 'https://media.example.com/' }), 'import_redirect_refused'],
    ['a way inside', answered(302, { location: 'http://10.0.0.1/' }), 'import_redirect_refused'],
    ['an empty file', answered(416, { 'content-range': 'bytes */0' }), 'upload_empty'],
    ['no bytes', answered(200, { 'content-length': '0' }), 'upload_empty'],
  ])('%s ends the import by name', (_what, behaviour, code) =>
    using(behaviour, async (_, stage) => {
      expect(await ending(stage)).toBe(code);
      expect(stage.commits).toEqual([]);
    }),
  );

  test('says with which status the server refused', () =>
    using(answered(410), async (_, stage) => {
      await expect(stage.attempt()).rejects.toMatchObject({ detail: 'The server answered with status 410.' });
    }));

  test('is asked for again when it may pass', () =>
    using({}, async (server, stage) => {
      server.behaviour.answer = (_, response) => {
        if (server.requests.length > 3) return false;
        response.writeHead(503, { 'retry-after': '0' }).end();
        return true;
      };
      expect(await ending(stage)).toBe('stored');
      expect(server.requests).toHaveLength(4);
    }));

  test('that nobody gives is import_unreachable', async () => {
    await using server = await startFileServer(BYTES);
    const stage = importStage({ url: server.url });
    await server[Symbol.asyncDispose]();
    expect(await ending(stage)).toBe('import_unreachable');
  });

  test('whose body falls silent is asked for again', () =>
    using({}, async (server, stage) => {
      server.behaviour.answer = (_, response) => {
        if (server.requests.length > 1) return false;
        response.writeHead(206, {
          etag: '"one"',
          'content-length': BYTES.length,
          'content-range': `bytes 0-${BYTES.length - 1}/${BYTES.length}`,
        });
        response.write(BYTES.subarray(0, 1000));
        return true;
      };
      expect(await ending(stage, { idleTimeoutMs: 1000 })).toBe('stored');
      expect(server.requests[1]?.range).toBe('bytes=1000-');
    }));
});

describe('a limit of imports', () => {
  test.each([
    ['told', false],
    ['not told', true],
  ])('on bytes holds where the length is %s', (_what, isChunked) =>
    using(
      { isChunked, hasRanges: false },
      async (_, stage) => {
        expect(await ending(stage)).toBe('import_too_large');
      },
      { maxBytes: BYTES.length - 1 },
    ),
  );

  test('on bytes lets a file of just that size in', () =>
    using({}, async (_, stage) => expect(await ending(stage)).toBe('stored'), { maxBytes: BYTES.length }));

  test('on time ends an import that drips', () =>
    using({ pauseMs: 500 }, async (_, stage) => expect(await ending(stage)).toBe('import_timed_out'), {
      secondsLeft: 1,
    }));
});

describe('a key of the bucket', () => {
  const key = 'archive/film.mp4';

  test('is copied like a file of a server', async () => {
    const stage = importStage({ bucketKey: key });
    stage.r2.objects.set(key, BYTES);
    expect(await ending(stage)).toBe('stored');
    expect(stage.begun).toEqual([{ validator: 'etag', sizeBytes: BYTES.length }]);
  });

  test('that has gone since is import_source_changed', async () => {
    expect(await ending(importStage({ bucketKey: key }))).toBe('import_source_changed');
  });
});
