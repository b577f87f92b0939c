// Names the text formats that some demuxers of ffmpeg would follow to other files and hosts.
import { AppError } from './errors.ts';

type TextRow = {
  pattern: RegExp;
  code: 'media_playlist_refused' | 'media_image_refused' | 'media_not_video';
  what: string;
};

const TEXTS: readonly TextRow[] = [
  { pattern: /^#EXTM3U/, code: 'media_playlist_refused', what: 'an HLS or M3U playlist' },
  { pattern: /^ffconcat\b/, code: 'media_playlist_refused', what: 'an ffconcat script' },
  { pattern: /^(#[^\n]*\n\s*)*file\s+\S/, code: 'media_playlist_refused', what: 'an ffconcat script' },
  { pattern: /^v=0\r?\n/, code: 'media_playlist_refused', what: 'an SDP session description' },
  { pattern: /^\[(playlist|reference)\]/i, code: 'media_playlist_refused', what: 'a playlist' },
  { pattern: /^(rtsp|rtmp|mms|https?|file):/i, code: 'media_playlist_refused', what: 'a list of addresses' },
  { pattern: /<MPD[\s>]/, code: 'media_playlist_refused', what: 'a DASH manifest' },
  {
    pattern: /<SmoothStreamingMedia[\s>]/,
    code: 'media_playlist_refused',
    what: 'a Smooth Streaming manifest',
  },
  { pattern: /^\s*(<\?xml[^>]*>\s*)?<asx[\s>]/i, code: 'media_playlist_refused', what: 'an ASX playlist' },
  { pattern: /<smil[\s>]/i, code: 'media_playlist_refused', what: 'a SMIL playlist' },
  { pattern: /<playlist[\s>]/i, code: 'media_playlist_refused', what: 'an XSPF playlist' },
  { pattern: /<svg[\s>]/i, code: 'media_image_refused', what: 'an SVG picture' },
  { pattern: /<(!doctype html|html|head|body|script)[\s>]/i, code: 'media_not_video', what: 'an HTML page' },
  { pattern: /^WEBVTT\b/, code: 'media_not_video', what: 'a WebVTT subtitle file' },
  { pattern: /^\[Script Info\]/i, code: 'media_not_video', what: 'an ASS subtitle file' },
  { pattern: /^\d+\r?\n\d\d:\d\d:\d\d[,.]\d{3} -->/, code: 'media_not_video', what: 'an SRT subtitle file' },
  { pattern: /^<\?xml/, code: 'media_not_video', what: 'an XML document' },
  { pattern: /^[{[]/, code: 'media_not_video', what: 'a JSON or text file' },
];

const TEXT_HEAD_BYTES = 4096;

/** Throws for a file that is text, saying of which kind; returns for anything else. */
export function refuseText(head: Uint8Array): void {
  const text = plainText(head.subarray(0, TEXT_HEAD_BYTES));
  if (text === undefined) return;
  const row = TEXTS.find(({ pattern }) => pattern.test(text));
  if (!row) throw new AppError('media_not_video', { detail: 'The file is text, not a video.' });
  throw new AppError(row.code, { detail: `The file is ${row.what}, not a video.` });
}

/** The text without byte order mark and leading space; undefined where the bytes are no text. */
function plainText(head: Uint8Array): string | undefined {
  const hasUtf16Mark = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
  if (hasUtf16Mark)
    return new TextDecoder(head[0] === 0xff ? 'utf-16le' : 'utf-16be').decode(head).trimStart();
  // The head may end within a character, so the decoder is told that more follows.
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
  } catch {
    text = String.fromCharCode(...head); // Latin-1 and its kin
  }
  return [...text].some(isControl) ? undefined : text.trimStart();
}

function isControl(character: string): boolean {
  const code = character.codePointAt(0)!;
  return code < 0x20 ? ![0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(code) : code === 0x7f;
}
