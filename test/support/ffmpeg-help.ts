// What this machine's ffmpeg says of an encoder's options.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Undefined where ffmpeg was built without it. */
export async function ffmpegHelp(encoder: string): Promise<string | undefined> {
  const { stdout } = await run('ffmpeg', ['-hide_banner', '-h', `encoder=${encoder}`]);
  return stdout.includes('AVOptions') ? stdout : undefined;
}
