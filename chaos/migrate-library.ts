// The library of `npm run chaos -- migrate`: tiny films in a list of URLs, behind S3, and in the deployment's own bucket.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeClip } from '../test/support/media.ts';
import { createR2, type R2 } from '../transcoder/r2.ts';
import type { LibraryServer } from './library-server.ts';

const BUCKET_PREFIX = 'old-library';

export type Library = {
  prefix: string;
  listed: number;
  inS3: number;
  inBucket: number;
  ids: string[];
  changedInBucket(): Promise<number>;
};

/** A few lengths, with and without sound; a box of free space makes each file one of its own. */
export async function fillLibrary(
  folder: string,
  server: LibraryServer,
  { items, seed, stack }: { items: number; seed: number; stack: { url: string } },
): Promise<Library> {
  const bucket = bucketOf(stack.url);
  const clips: Buffer[] = [];
  for (const [seconds, rate, hasAudio] of [
    [1, '25', true],
    [1.5, '30', false],
    [2, '24', true],
  ] as const) {
    const path = await makeClip(join(folder, `clip-${clips.length}.mp4`), {
      seconds,
      rate,
      hasAudio,
      size: '160x90',
    });
    clips.push(await readFile(path));
  }
  const prefix = `${BUCKET_PREFIX}-${seed}-${items}/movies/`;
  const rows = ['kind,id,url,popularity'];
  const ids: string[] = [];
  const inBucket: { key: string; sizeBytes: number; etag: string }[] = [];
  for (let index = 0; index < items; index += 1) {
    const id = `${seed}-${index}`;
    const bytes = Buffer.concat([clips[index % clips.length]!, freeBox(`${seed} ${index}`)]);
    ids.push(id);
    if (index % 4 === 3) {
      const key = `${prefix}${id}.mp4`;
      await bucket.putOnce(key, bytes, 'video/mp4');
      inBucket.push({ key, ...(await bucket.head(key))! });
    } else if (index % 4 === 2) server.files.set(`bucket/movies/${id}.mp4`, bytes);
    else {
      server.files.set(`files/${id}.mp4`, bytes);
      rows.push(`movie,${id},${server.url}/files/${id}.mp4?signature=secret,${index}`);
    }
  }
  await writeFile(join(folder, 'list.csv'), `${rows.join('\n')}\n`);
  return {
    ...{ prefix, ids, listed: rows.length - 1, inBucket: inBucket.length },
    inS3: items - rows.length + 1 - inBucket.length,
    async changedInBucket() {
      const now = await bucket.list(prefix);
      const isSame = (one: (typeof inBucket)[number]) =>
        now.some(
          ({ key, etag, sizeBytes }) => key === one.key && etag === one.etag && sizeBytes === one.sizeBytes,
        );
      return inBucket.filter((one) => !isSame(one)).length + Math.abs(now.length - inBucket.length);
    },
  };
}

/** ISO/IEC 14496-12 §8.1.2 */
function freeBox(text: string): Buffer {
  const box = Buffer.alloc(8 + 1000, text);
  box.writeUInt32BE(box.length);
  box.write('free', 4, 'latin1');
  return box;
}

function bucketOf(url: string): R2 {
  return createR2({
    endpoint: `${url}/cdn-cgi/local/r2/s3`,
    bucket: 'reelay-media',
    ...{ accessKeyId: 'reelay-local', secretAccessKey: 'reelay-local-secret' },
  });
}
