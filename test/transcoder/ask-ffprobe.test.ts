import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { askFfprobe } from '../../transcoder/probe/ask-ffprobe.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { LIMITS } from './encoding.ts';

test('an answer over a source that could not be read to its end is none', async () => {
  const directory = await makeFolder('ask');
  const url = await makeClip(join(directory, 'clip.mp4'), { seconds: 0.2, size: '64x64' });
  const run = { directory, limits: LIMITS, signal: new AbortController().signal };
  const ask = (failure?: unknown) => {
    const source = { url, sizeBytes: 1, read: async () => new Uint8Array(), failure };
    return askFfprobe({ source, demuxer: 'mov', run }, ['-show_entries', 'stream=codec_name']);
  };
  const outage = new AppError('storage_unavailable');
  await expect(ask(outage)).rejects.toBe(outage);
  await expect(ask()).resolves.toContain('h264');
});
