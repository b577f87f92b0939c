// The text of one subtitle cue, made safe: the few tags WebVTT players need, balanced, and everything else as
// plain characters. Whoever wrote the file is a stranger, and some players put cues into a page.

/** Tags that carry meaning. Colours, fonts and karaoke times are left out; what they enclose stays. */
const KEPT_TAGS: ReadonlySet<string> = new Set(['b', 'i', 'u', 'ruby', 'rt', 'v', 'lang']);
const TAG_WITH_ANNOTATION: ReadonlySet<string> = new Set(['v', 'lang']);
const MAX_ANNOTATION_CHARS = 80;

/** Character references of the WebVTT syntax; any other ampersand is meant as one. */
const REFERENCE = String.raw`&(?:amp|lt|gt|lrm|rlm|nbsp|#\d{1,7}|#x[\da-f]{1,6});`;

/**
 * Whatever is not a plain character: a tag, a karaoke time, an override like `{\an8}` that conversions from ASS
 * leave in SRT files, a reference, what would be one of these, a control character. None of them reads on past
 * the beginning of another, so the time it takes is linear.
 */
const TOKEN = new RegExp(
  [
    String.raw`<(\/?)([a-z]+)((?:[.\s:][^<>]*)?\/?)>`,
    String.raw`<[\d:.]+>|\{\\[^{}]*\}`,
    String.raw`(${REFERENCE})|[<>&]|[\p{Cc}\p{Cs}]`,
  ].join('|'),
  'giu',
);
const LONE_AMPERSAND = new RegExp(`&(?!${REFERENCE.slice(1)})`, 'gi');

/** The payload of a cue: no blank line, no `-->`, no tag but the kept ones, each of them closed. */
export function safeCueText(raw: string): string {
  const lines = raw
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return balanced(lines.join('\n'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** Text with nothing but characters, for where no tag belongs: titles of chapters, names of tracks. */
export function plainTitle(raw: string | undefined, maxChars: number): string | undefined {
  const text = (raw ?? '')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, maxChars)
    // A surrogate cut in two is no character.
    .toWellFormed()
    .replace(/\uFFFD$/u, '')
    .trim();
  return text === '' ? undefined : text;
}

/** Characters that mean something in WebVTT, as references. */
export function escapeCueText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function balanced(text: string): string {
  const open: string[] = [];
  const safe = text.replaceAll(
    TOKEN,
    (token, slash?: string, tag?: string, annotation = '', reference?: string) => {
      if (tag !== undefined) {
        const name = tag.toLowerCase();
        return slash ? closing(name, open) : opening(name, annotation, open);
      }
      if (reference !== undefined || token === '\n') return token;
      if (token.length > 1) return '';
      return /[<>&]/.test(token) ? escapeCueText(token) : ' ';
    },
  );
  return safe + open.reverse().map(endTag).join('');
}

function opening(name: string, annotation: string, open: string[]): string {
  if (!KEPT_TAGS.has(name)) return '';
  open.push(name);
  if (!TAG_WITH_ANNOTATION.has(name)) return `<${name}>`;
  const said = plainTitle(annotation.replace(/^[^\s]*/, ''), MAX_ANNOTATION_CHARS);
  return said ? `<${name} ${said.replaceAll(LONE_AMPERSAND, '&amp;')}>` : `<${name}>`;
}

/** Ends a tag and whatever was opened inside it; nothing for one that is not open. */
function closing(name: string, open: string[]): string {
  const from = open.lastIndexOf(name);
  return from === -1 ? '' : open.splice(from).reverse().map(endTag).join('');
}

function endTag(name: string): string {
  return `</${name}>`;
}
