// WebVTT (W3C) as HLS carries it (RFC 8216 §3.5): the cues' times and text.
export type Cue = { startSeconds: number; endSeconds: number; text: string };
export type ReadWebVtt = { cues: Cue[]; problems: string[] };

const TIME = /^(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})$/;
const TS_TIMESCALE = 90_000;

/** Times are shifted to the presentation's where a timestamp map says how, taking the map's MPEGTS as its zero. */
export function readWebVtt(text: string): ReadWebVtt {
  const problems: string[] = [];
  const cues: Cue[] = [];
  const [head = '', ...blocks] = text
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n')
    .split(/\n{2,}/);
  const [signature = '', ...headers] = head.split('\n');
  if (!/^WEBVTT(?:[ \t]|$)/.test(signature)) problems.push('It does not begin with WEBVTT.');
  const map = headers.find((line) => line.startsWith('X-TIMESTAMP-MAP='));
  const shift = map === undefined ? 0 : shiftOf(map);
  if (shift === undefined) problems.push(`The timestamp map ${map} is malformed.`);
  for (const block of blocks) {
    const lines = block.split('\n').filter((line) => line !== '');
    if (lines.length === 0 || /^(?:NOTE|STYLE|REGION)\b/.test(lines[0]!)) continue;
    const at = lines.findIndex((line) => line.includes('-->'));
    const [start, end] = (lines[at] ?? '').split(/\s+-->\s+/);
    const times = [secondsOf(start ?? ''), secondsOf(end?.split(/\s+/)[0] ?? '')];
    if (at < 0 || at > 1 || times[0] === undefined || times[1] === undefined)
      problems.push(`${JSON.stringify(lines[0]!.slice(0, 60))} begins no cue.`);
    else
      cues.push({
        startSeconds: times[0] + (shift ?? 0),
        endSeconds: times[1] + (shift ?? 0),
        text: lines.slice(at + 1).join('\n'),
      });
  }
  return { cues, problems };
}

function secondsOf(text: string): number | undefined {
  const [match, hours = '0', minutes, seconds, milliseconds] = TIME.exec(text) ?? [];
  if (match === undefined) return undefined;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) + Number(milliseconds) / 1000;
}

/** A map says which time of the stream its local time is. Streams that begin at 0, 10 s or 1.4 s are all about. */
function shiftOf(map: string): number | undefined {
  const local = secondsOf(/LOCAL:([\d:.]+)/.exec(map)?.[1] ?? '');
  const ticks = /MPEGTS:(\d+)/.exec(map)?.[1];
  if (local === undefined || ticks === undefined) return undefined;
  return Number(ticks) < 12 * TS_TIMESCALE ? -local : Number(ticks) / TS_TIMESCALE - local;
}
