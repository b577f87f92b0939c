// Shaka Packager, the reference for Common Encryption, and what a file decodes to.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ContentKey } from '../../shared/protection.ts';

const run = promisify(execFile);
const SYSTEM = platform() === 'darwin' ? 'osx' : 'linux';
const PACKAGER = new URL(
  `../../node_modules/shaka-packager/bin/packager-${SYSTEM}-${arch() === 'arm64' ? 'arm64' : 'x64'}`,
  import.meta.url,
).pathname;

/** @returns path of the clear file */
export async function decrypt(path: string, type: 'video' | 'audio', key: ContentKey): Promise<string> {
  const output = path.replace(/\.mp4$/, `-${keyText(key).slice(-8)}.mp4`);
  const stream = `in=${path},stream=${type},output=${output}`;
  await run(PACKAGER, [stream, '--enable_raw_key_decryption', '--keys', keyText(key)]);
  return output;
}

/** The bytes of an encrypted fragmented file. */
export async function encrypt(path: string, type: 'video' | 'audio', key: ContentKey): Promise<Buffer> {
  const output = path.replace(/\.mp4$/, '-packaged.mp4');
  const stream = `in=${path},stream=${type},output=${output}`;
  const scheme = ['--protection_scheme', 'cenc', '--clear_lead', '0'];
  await run(PACKAGER, [stream, '--enable_raw_key_encryption', ...scheme, '--keys', keyText(key)]);
  return readFile(output);
}

/** The MPD and the media playlist of a clip under Common Encryption, with what its systems' players read. */
export async function systemManifests(
  path: string,
  folder: string,
  key: ContentKey,
): Promise<{ mpd: string; playlist: string }> {
  const stream = `in=${path},stream=video,init_segment=init.mp4,segment_template=$Number$.m4s,playlist_name=v.m3u8`;
  const outputs = ['--mpd_output', 'all.mpd', '--hls_master_playlist_output', 'all.m3u8'];
  const scheme = ['--protection_scheme', 'cenc', '--clear_lead', '0', '--keys', keyText(key)];
  const systems = ['--protection_systems', 'Widevine,PlayReady'];
  const args = [stream, '--enable_raw_key_encryption', ...scheme, ...systems, ...outputs];
  await run(PACKAGER, args, { cwd: folder });
  const [mpd, playlist] = await Promise.all(
    ['all.mpd', 'v.m3u8'].map((name) => readFile(join(folder, name), 'utf8')),
  );
  return { mpd: mpd!, playlist: playlist! };
}

/** Hash of each decoded picture or piece of sound, in order. */
export async function frameHashes(path: string): Promise<string[]> {
  const args = ['-nostdin', '-v', 'error', '-i', path, '-fps_mode', 'passthrough', '-f', 'framemd5', '-'];
  const { stdout } = await run('ffmpeg', args, { maxBuffer: 2 ** 26 });
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)!.trim());
}

function keyText({ keyId, key }: ContentKey): string {
  return `label=:key_id=${keyId}:key=${Buffer.from(key).toString('hex')}`;
}
