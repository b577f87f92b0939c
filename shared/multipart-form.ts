// A multipart/form-data body (RFC 7578, over RFC 2046 §5.1) as events, in whatever pieces it comes. Nothing is held
// but what may be the beginning of a delimiter and the headers of one part.
import { AppError } from './errors.ts';
import { KIB } from './limits.ts';

export type FormEvent =
  | { type: 'part'; name: string; filename?: string }
  /** Bytes of the part that began last; they belong to the piece and are to be copied or sent before the next. */
  | { type: 'data'; bytes: Uint8Array }
  | { type: 'end' };

const MAX_HEADER_BYTES = 8 * KIB;
const MAX_NAME_CHARACTERS = 128;
/** Text before the first delimiter; clients send none or an empty line. */
const MAX_PREAMBLE_BYTES = KIB;
/** Spaces and tabs that gateways may have added to a delimiter's line. */
const MAX_PADDING_BYTES = 64;

const [CR, LF, SPACE, TAB, DASH] = [13, 10, 32, 9, 45];
const BLANK_LINE = new Uint8Array([CR!, LF!, CR!, LF!]);

/**
 * The boundary a Content-Type names.
 *
 * @throws AppError `upload_content_type_wrong` for another type, `form_malformed` without a boundary
 */
export function formBoundary(contentType: string | null | undefined): string {
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType ?? '')) {
    throw new AppError('upload_content_type_wrong', { detail: 'Send a form as multipart/form-data.' });
  }
  const [, quoted, bare] = /;\s*boundary=(?:"([^"]*)"|([^;\s]*))/i.exec(contentType ?? '') ?? [];
  const boundary = quoted ?? bare ?? '';
  // RFC 2046 §5.1.1
  if (/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary)) return boundary;
  throw new AppError('form_malformed', { detail: 'The Content-Type of a form names its boundary.' });
}

export class FormParser {
  readonly #delimiter: Uint8Array;
  #state: 'preamble' | 'headers' | 'data' | 'epilogue' = 'preamble';
  /** The first delimiter may stand at the very beginning, as if a line had just ended. */
  #held: Uint8Array = new Uint8Array([CR!, LF!]);
  #preambleBytes = 0;

  constructor(boundary: string) {
    this.#delimiter = new TextEncoder().encode(`\r\n--${boundary}`);
  }

  /** @throws AppError `form_malformed` */
  *feed(piece: Uint8Array): Generator<FormEvent, void> {
    const bytes = joined(this.#held, piece);
    this.#held = new Uint8Array(0);
    for (let at = 0; this.#state !== 'epilogue'; ) {
      if (this.#state === 'headers') {
        const end = indexOfBlankLine(bytes, at);
        if ((end ?? bytes.length) - at > MAX_HEADER_BYTES)
          throw malformed('The headers of a part are too long');
        if (end === undefined) return this.#hold(bytes, at);
        yield partOf(new TextDecoder().decode(bytes.subarray(at, end)));
        at = end + BLANK_LINE.length;
        this.#state = 'data';
        continue;
      }
      const found = this.#findDelimiter(bytes, at);
      if (this.#state === 'preamble') this.#skip(found.start - at);
      else if (found.start > at) yield { type: 'data', bytes: bytes.subarray(at, found.start) };
      if (found.end === undefined) return this.#hold(bytes, found.start);
      at = found.end;
      this.#state = found.isLast ? 'epilogue' : 'headers';
      if (found.isLast) yield { type: 'end' };
    }
  }

  /** At the end of the body. @throws AppError `form_truncated`, `form_malformed` */
  finish(): void {
    if (this.#state === 'epilogue') return;
    if (this.#state === 'preamble') throw malformed('The boundary of the Content-Type is not in the body');
    throw new AppError('form_truncated');
  }

  #hold(bytes: Uint8Array, from: number): void {
    this.#held = bytes.slice(from);
  }

  #skip(preambleBytes: number): void {
    this.#preambleBytes += preambleBytes;
    if (this.#preambleBytes <= MAX_PREAMBLE_BYTES) return;
    throw malformed('The boundary of the Content-Type is not where the body begins');
  }

  /** The next delimiter's line, or where one that is not whole yet may begin. */
  #findDelimiter(bytes: Uint8Array, from: number): { start: number; end?: number; isLast?: boolean } {
    for (let start = bytes.indexOf(CR!, from); start >= 0; start = bytes.indexOf(CR!, start + 1)) {
      const line = this.#delimiterAt(bytes, start);
      if (line === 'open') return { start };
      if (line !== 'none') return { start, ...line };
    }
    return { start: bytes.length };
  }

  #delimiterAt(bytes: Uint8Array, start: number): 'none' | 'open' | { end: number; isLast: boolean } {
    const delimiter = this.#delimiter;
    for (let index = 1; index < delimiter.length; index++) {
      if (start + index >= bytes.length) return 'open';
      if (bytes[start + index] !== delimiter[index]) return 'none';
    }
    let at = start + delimiter.length;
    if (bytes[at] === DASH && at + 1 >= bytes.length) return 'open';
    if (bytes[at] === DASH && bytes[at + 1] === DASH) return { end: at + 2, isLast: true };
    const paddingEnd = at + MAX_PADDING_BYTES;
    while (at < paddingEnd && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
    if (at >= bytes.length || (bytes[at] === CR && at + 1 >= bytes.length)) return 'open';
    return bytes[at] === CR && bytes[at + 1] === LF ? { end: at + 2, isLast: false } : 'none';
  }
}

/** What the headers of a part say. RFC 7578 §4.2; quotes as curl, browsers and older clients escape them. */
function partOf(headers: string): Extract<FormEvent, { type: 'part' }> {
  const values = new Map<string, string>();
  for (const line of headers.split('\r\n')) {
    const [, name, value] = /^([!-9;-~]+):[ \t]*(.*)$/s.exec(line) ?? [];
    if (name === undefined) throw malformed('A part has a header that is none');
    values.set(name.toLowerCase(), value!);
  }
  const disposition = values.get('content-disposition') ?? '';
  if (!/^form-data\s*(;|$)/i.test(disposition))
    throw malformed('A part has no Content-Disposition: form-data');
  if (!/^(binary|8bit|7bit)?$/i.test(values.get('content-transfer-encoding') ?? '')) {
    throw malformed('A part has a Content-Transfer-Encoding');
  }
  const name = parameterOf(disposition, 'name');
  if (!name || name.length > MAX_NAME_CHARACTERS) {
    throw malformed(`A part has a name of 1 to ${MAX_NAME_CHARACTERS} characters`);
  }
  const filename = parameterOf(disposition, 'filename');
  return { type: 'part', name, ...(filename !== undefined && { filename }) };
}

function parameterOf(disposition: string, wanted: string): string | undefined {
  for (const [, name, quoted, bare] of disposition.matchAll(
    /;\s*([^=;\s"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/gs,
  )) {
    if (name!.toLowerCase() !== wanted) continue;
    if (quoted === undefined) return bare!;
    return quoted
      .replace(/\\(["\\])/g, '$1')
      .replace(/%(22|0D|0A)/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  }
  return undefined;
}

function indexOfBlankLine(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(CR!, from); at >= 0; at = bytes.indexOf(CR!, at + 1)) {
    if (BLANK_LINE.every((byte, index) => bytes[at + index] === byte)) return at;
    if (at - from > MAX_HEADER_BYTES) return undefined;
  }
  return undefined;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function malformed(what: string): AppError {
  return new AppError('form_malformed', { detail: `${what}.` });
}
