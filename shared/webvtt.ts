// Subtitles: WebVTT and SRT are read leniently, since both come from strangers, and WebVTT is written strictly.
import { safeCueText } from './cue-text.ts';
import { AppError } from './errors.ts';

/** Times are whole milliseconds; `text` is safe WebVTT, `settings` may be empty. */
export type Cue = { startMs: number; endMs: number; settings: string; text: string };

/** A film of 12 hours with a cue every second. */
const MAX_CUES = 43_200;

const TIME = String.raw`(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?`;
const TIMING = new RegExp(String.raw`^\s*${TIME}\s*-->\s*${TIME}(?:\s+(.*))?$`);

/**
 * The cues of a WebVTT or SRT text in order of their start, told apart by the WebVTT header.
 *
 * @throws AppError subtitles_invalid where there is no cue at all, or more than anybody reads.
 */
export function parseSubtitles(text: string): Cue[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  const isWebVtt = /^WEBVTT(?:[ \t]|$)/.test(lines[0] ?? '');
  const cues: Cue[] = [];
  for (let at = 0; at < lines.length; at++) {
    const timing = TIMING.exec(lines[at]!);
    if (!timing) continue;
    const payload: string[] = [];
    while (at + 1 < lines.length && !isCueEnd(lines, at + 1)) payload.push(lines[++at]!);
    const cue = cueOf(timing, payload, isWebVtt);
    if (cue) cues.push(cue);
    if (cues.length > MAX_CUES) {
      throw new AppError('subtitles_invalid', { detail: `There are more than ${MAX_CUES} cues.` });
    }
  }
  if (cues.length === 0) throw new AppError('subtitles_invalid', { detail: emptyDetail(lines, isWebVtt) });
  return cues.sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
}

/** A WebVTT file of the cues that show within the video; undefined where none does. */
export function writeWebVtt(cues: readonly Cue[], durationSeconds: number): string | undefined {
  const endOfVideoMs = Math.round(durationSeconds * 1000);
  const shown = cues
    .map((cue) => ({ ...cue, endMs: Math.min(cue.endMs, endOfVideoMs) }))
    .filter(({ startMs, endMs, text }) => startMs < endMs && text !== '');
  if (shown.length === 0) return undefined;
  const blocks = shown.map(
    ({ startMs, endMs, settings, text }) =>
      `${vttTime(startMs)} --> ${vttTime(endMs)}${settings && ` ${settings}`}\n${text}\n`,
  );
  return `WEBVTT\n\n${blocks.join('\n')}`;
}

/** A blank line ends a cue, and so does the next one's timing with or without a number before it. */
function isCueEnd(lines: readonly string[], at: number): boolean {
  const line = lines[at]!;
  if (line.trim() === '' || line.includes('-->')) return true;
  return /^\s*\d+\s*$/.test(line) && TIMING.test(lines[at + 1] ?? '');
}

function cueOf(timing: RegExpExecArray, payload: string[], isWebVtt: boolean): Cue | undefined {
  const startMs = milliseconds(timing.slice(1, 5));
  const endMs = milliseconds(timing.slice(5, 9));
  const raw = payload.join('\n');
  const text = safeCueText(raw);
  if (endMs <= startMs || text === '') return undefined;
  return { startMs, endMs, settings: isWebVtt ? safeSettings(timing[9]) : placeOf(raw), text };
}

function milliseconds([hours = '0', minutes, seconds, fraction = '0']: (string | undefined)[]): number {
  return (
    (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000 + Number(fraction.padEnd(3, '0'))
  );
}

const SETTINGS: readonly RegExp[] = [
  /^vertical:(?:rl|lr)$/,
  /^line:(?:-?\d{1,3}|\d{1,3}(?:\.\d{1,3})?%)(?:,(?:start|center|end))?$/,
  /^position:\d{1,3}(?:\.\d{1,3})?%(?:,(?:line-left|center|line-right))?$/,
  /^size:\d{1,3}(?:\.\d{1,3})?%$/,
  /^align:(?:start|center|end|left|right)$/,
];

function safeSettings(settings = ''): string {
  return settings
    .split(/\s+/)
    .filter((setting) => SETTINGS.some((known) => known.test(setting)))
    .join(' ');
}

/** SRT has no settings; `{\an8}` at the start of a cue is how its writers say "at the top". */
function placeOf(raw: string): string {
  const place = Number(/\{\\an(\d)\}/.exec(raw)?.[1] ?? 2);
  if (place >= 7) return 'line:0';
  return place >= 4 ? 'line:50%' : '';
}

/** A WebVTT timestamp, `01:02:03.004`. */
export function vttTime(ms: number): string {
  const padded = (value: number, digits = 2) => String(Math.floor(value)).padStart(digits, '0');
  const seconds = ms / 1000;
  return `${padded(seconds / 3600)}:${padded((seconds / 60) % 60)}:${padded(seconds % 60)}.${padded(ms % 1000, 3)}`;
}

function emptyDetail(lines: readonly string[], isWebVtt: boolean): string {
  const broken = lines.findIndex((line) => line.includes('-->'));
  if (broken !== -1) return `Line ${broken + 1} is no timing of a cue, or its cue has no text.`;
  return isWebVtt ? 'The WebVTT text has no cue.' : 'The text is neither WebVTT nor SRT.';
}
