// What ffmpeg and ffprobe do behind their command lines, as the kernel sees it: they connect to nothing but the
// task's own loopback port, and open no media outside the task's directory, whatever a file asks them to.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inputOptions } from '../../transcoder/ffmpeg/args.ts';
import { runFfprobe, setFfmpeg, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { askFfprobe } from '../../transcoder/probe/ask-ffprobe.ts';
import { encodeAudio } from '../../transcoder/stages/audio.ts';
import { encodeChunk } from '../../transcoder/stages/encode.ts';
import { openFileSource } from '../support/file-source.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { canTrace, isOfTheSystem, type Traced, traceTools } from '../support/syscalls.ts';
import { asOneChunk, onFile, planFile } from './encoding.ts';

const isWatched = canTrace();
if (!isWatched) console.warn('strace is absent or may not trace: what the media tools do is not watched');
const LIMITS = { wallSeconds: 20, memoryBytes: 2 ** 30 };

let folder: string;
let task: string;
let tools: Traced;
/** Whatever reaches it was made to by a file. */
let canary: Server;
let canaryHits: number;
let canaryPort: number;

beforeAll(async () => {
  folder = await makeFolder('syscalls');
  canary = createServer((_request, response) => {
    canaryHits++;
    response.end();
  });
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
  canaryPort = (canary.address() as AddressInfo).port;
});
afterAll(async () => {
  canary.closeAllConnections();
  canary.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  canaryHits = 0;
  task = join(folder, `task-${Math.random()}`);
  await mkdir(task);
  tools = await traceTools(join(folder, `tools-${Math.random()}`));
  setFfmpeg(tools.ffmpegPath);
});
afterEach(() => setFfmpeg('ffmpeg'));

function portOf(url: string): string {
  return new URL(url).host;
}

/** Nothing but the source's port, and no path but the system's and the task's own. */
async function expectConfined(directory: string, url: string): Promise<void> {
  const { runs, connections, opened } = await tools.seen(directory);
  expect(runs).toBeGreaterThan(0);
  expect([...new Set(connections)].filter((address) => address !== portOf(url))).toEqual([]);
  expect(opened.filter((path) => !isOfTheSystem(path) && !path.startsWith(`${directory}/`))).toEqual([]);
  expect(canaryHits).toBe(0);
}

describe.skipIf(!isWatched)('a good file', () => {
  test('is probed and encoded through one loopback port, inside the task’s directory', async () => {
    const clip = await makeClip(join(folder, 'good.mp4'), { seconds: 2 });
    setFfmpeg('ffmpeg');
    const plan = asOneChunk(await planFile(clip));
    setFfmpeg(tools.ffmpegPath);
    await onFile(clip, async ({ context }) => {
      await encodeChunk(context, plan, plan.chunks[0]!);
      await encodeAudio(context, plan, 0);
      const { directory } = context.scratch;
      const { connections } = await tools.seen(directory);
      expect(connections).toContain(portOf(context.source.url));
      await expectConfined(directory, context.source.url);
    });
  });
});

/** Each would make a reader open another file or connect somewhere; `{port}` and `{secret}` are ours. */
const HOSTILE: Record<string, string> = {
  'an HLS list with an http segment':
    '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n',
  'an HLS list with a local segment':
    '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n',
  'a DASH manifest':
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S">' +
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>' +
    'http://127.0.0.1:{port}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>',
  'a concat script': "ffconcat version 1.0\nfile '{secret}'\n",
  'an SDP description':
    'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n',
};

describe.skipIf(!isWatched)('a hostile file', () => {
  /** The sniffing that refuses them all is left out: what is behind it must hold by itself. */
  test.each(
    Object.keys(HOSTILE).flatMap((name) =>
      ['mov', 'matroska', 'mpegts'].map((demuxer) => ({ name, demuxer })),
    ),
  )('$name, taken for $demuxer, reaches nothing', async ({ name, demuxer }) => {
    const path = await hostileFile(name);
    await using source = await openFileSource(path);
    const run = { directory: task, limits: LIMITS, signal: new AbortController().signal };
    await askFfprobe({ source, demuxer, run }, ['-show_streams']).catch(() => undefined);
    const command = {
      inputs: [{ options: ['-nostdin', ...inputOptions({ url: source.url, demuxer })], url: source.url }],
      outputs: [{ options: ['-map', '0', '-f', 'null'], path: '-' }],
    };
    await startFfmpeg(command, run).done.catch(() => undefined);
    expect((await tools.seen(task)).runs).toBeGreaterThanOrEqual(2);
    await expectConfined(task, source.url);
  });

  test('would reach what it names without the options of ours: the trace can see it', async () => {
    const http = await hostileFile('an HLS list with an http segment');
    await using source = await openFileSource(http);
    const open = { directory: task, limits: LIMITS };
    await runFfprobe(['-v', 'error'], source.url, open).catch(() => undefined);
    expect((await tools.seen(task)).connections).toContain(`127.0.0.1:${canaryPort}`);
    expect(canaryHits).toBeGreaterThan(0);

    const concat = await hostileFile('a concat script');
    await runFfprobe(['-v', 'error', '-safe', '0', '-f', 'concat'], concat, open).catch(() => undefined);
    expect((await tools.seen(task)).opened).toContain(join(folder, 'secret.mp4'));
  });

  async function hostileFile(name: string): Promise<string> {
    const secret = join(folder, 'secret.mp4');
    if (!existsSync(secret)) await writeFile(secret, await readFile(await smallClip()));
    const path = join(folder, `${name.replaceAll(' ', '-')}.mp4`);
    await writeFile(
      path,
      HOSTILE[name]!.replaceAll('{port}', String(canaryPort)).replaceAll('{secret}', secret),
    );
    return path;
  }

  function smallClip(): Promise<string> {
    return makeClip(join(folder, 'small.mp4'), { seconds: 1, size: '64x48', hasAudio: false });
  }
});
