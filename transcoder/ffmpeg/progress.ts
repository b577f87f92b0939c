// Reads the file that `-progress` writes: blocks of key=value lines, each ended by `progress=continue|end`.
import type { FileHandle } from 'node:fs/promises';

export type FfmpegProgress = {
  /** Video frames written so far; 0 where there is no video. */
  frames: number;
  /** Times real time; 0 until known. */
  speed: number;
  /** End of the output so far. */
  outSeconds: number;
};

/** A block is about 300 bytes per output; the last one is what counts. */
const TAIL_BYTES = 8192;

/** The last complete block of the file, or undefined before there is one. */
export async function readProgress(file: FileHandle): Promise<FfmpegProgress | undefined> {
  const { size } = await file.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  return parseProgress(buffer.toString('latin1', 0, bytesRead));
}

export function parseProgress(text: string): FfmpegProgress | undefined {
  const end = text.lastIndexOf('\nprogress=');
  if (end < 0) return undefined;
  const before = text.lastIndexOf('\nprogress=', end - 1);
  const block = text.slice(before < 0 ? 0 : before + 1, end);
  const values = new Map(
    block.split('\n').map((line): [string, string] => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1).trim()];
    }),
  );
  return {
    frames: numberOf(values.get('frame')),
    speed: numberOf(values.get('speed')),
    outSeconds: numberOf(values.get('out_time_us')) / 1e6,
  };
}

/** `12.5x` is 12.5, `N/A` and absence are 0. */
function numberOf(text: string | undefined): number {
  const value = Number.parseFloat(text ?? '');
  return Number.isFinite(value) ? value : 0;
}
