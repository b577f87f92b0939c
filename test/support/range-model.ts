// What RFC 9110 says to a GET or HEAD of one object, written from its text and from nothing of ours, and requests
// to ask of both. Section numbers are the RFC's.

export type ModelObject = { sizeBytes: number; etag: string; lastModified: Date };

export type ModelRequest = { method: 'GET' | 'HEAD'; headers: Record<string, string> };

/** `first` and `last` are the positions sent, inclusive; absent where the body is empty. */
export type ModelAnswer = {
  status: 200 | 206 | 304 | 412 | 416;
  contentRange?: string;
  contentLength?: number;
  first?: number;
  last?: number;
};

export function modelAnswer({ method, headers }: ModelRequest, object: ModelObject): ModelAnswer {
  const field = (name: string) =>
    Object.entries(headers).find(([given]) => given.toLowerCase() === name)?.[1];
  const modified = Math.floor(object.lastModified.getTime() / 1000);

  // §13.2.2: the order of preconditions.
  const ifMatch = field('if-match');
  const unmodified = dateOf(field('if-unmodified-since'));
  if (ifMatch !== undefined) {
    // §13.1.1: strong comparison.
    if (!entriesOf(ifMatch).some((entry) => entry === '*' || entry === object.etag)) return { status: 412 };
  } else if (unmodified !== undefined && modified > unmodified) {
    return { status: 412 };
  }
  const ifNoneMatch = field('if-none-match');
  const modifiedSince = dateOf(field('if-modified-since'));
  if (ifNoneMatch !== undefined) {
    // §13.1.2: weak comparison; and If-Modified-Since is to be ignored then (§13.1.3).
    const opaque = (tag: string) => tag.replace(/^W\//, '');
    if (entriesOf(ifNoneMatch).some((entry) => entry === '*' || opaque(entry) === opaque(object.etag)))
      return { status: 304 };
  } else if (modifiedSince !== undefined && modified <= modifiedSince) {
    return { status: 304 };
  }

  const whole: ModelAnswer = {
    status: 200,
    contentLength: object.sizeBytes,
    ...(method === 'GET' && object.sizeBytes > 0 ? { first: 0, last: object.sizeBytes - 1 } : {}),
  };
  // §14.2: "A server MUST ignore a Range header field received with a request method that is unrecognized or for
  // which range handling is not defined. For this specification, GET is the only method".
  const range = method === 'GET' ? field('range') : undefined;
  if (range === undefined) return whole;
  // §13.1.5: a date must be exact; a tag must compare strongly.
  const ifRange = field('if-range');
  if (ifRange !== undefined) {
    const isTag = ifRange.startsWith('"') || ifRange.startsWith('W/');
    const isCurrent = isTag ? ifRange === object.etag : dateOf(ifRange) === modified;
    if (!isCurrent) return whole;
  }
  return rangeAnswer(range, object.sizeBytes) ?? whole;
}

/** Undefined where the field is to be ignored. We may ignore several ranges (§14.2), and do. */
function rangeAnswer(range: string, size: number): ModelAnswer | undefined {
  const equals = range.indexOf('=');
  if (equals < 0 || range.slice(0, equals).toLowerCase() !== 'bytes') return undefined; // §14.1: names ignore case
  const specs = range
    .slice(equals + 1)
    .split(',')
    .map((spec) => trimOws(spec))
    .filter((spec) => spec.length > 0); // §5.6.1.2: empty elements are to be parsed and ignored
  if (specs.length !== 1) return undefined;
  const dash = specs[0]!.indexOf('-');
  if (dash < 0) return undefined;
  const from = specs[0]!.slice(0, dash);
  const to = specs[0]!.slice(dash + 1);
  if (!isDigits(from) || !isDigits(to) || (from === '' && to === '')) return undefined;
  const unsatisfiable: ModelAnswer = { status: 416, contentRange: `bytes */${size}` };
  if (from === '') {
    // §14.1.2: "If the selected representation is shorter than the specified suffix-length, the entire
    // representation is used"; satisfiable if the suffix-length is not zero.
    if (BigInt(to) === 0n) return unsatisfiable;
    if (size === 0) return undefined; // satisfiable, but no Content-Range can say so
    const length = BigInt(to) < BigInt(size) ? Number(to) : size;
    return partial(size - length, size - 1, size);
  }
  // §14.1.1: "An int-range is invalid if the last-pos value is present and less than first-pos."
  if (to !== '' && BigInt(to) < BigInt(from)) return undefined;
  if (BigInt(from) >= BigInt(size)) return unsatisfiable;
  const last = to === '' || BigInt(to) >= BigInt(size) ? size - 1 : Number(to);
  return partial(Number(from), last, size);
}

function partial(first: number, last: number, size: number): ModelAnswer {
  return {
    status: 206,
    contentRange: `bytes ${first}-${last}/${size}`,
    contentLength: last - first + 1,
    first,
    last,
  };
}

function isDigits(text: string): boolean {
  return [...text].every((char) => char >= '0' && char <= '9');
}

function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && ' \t'.includes(text[start]!)) start++;
  while (end > start && ' \t'.includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** The members of a list of entity tags (§8.8.3), or `*`. */
function entriesOf(list: string): string[] {
  if (trimOws(list) === '*') return ['*'];
  const entries: string[] = [];
  for (let at = 0; at < list.length; ) {
    const weak = list.startsWith('W/"', at);
    if (!weak && list[at] !== '"') {
      at++;
      continue;
    }
    const open = at + (weak ? 2 : 0);
    const close = list.indexOf('"', open + 1);
    if (close < 0) break;
    entries.push(list.slice(at, close + 1));
    at = close + 1;
  }
  return entries;
}

/** Seconds of an IMF-fixdate (§5.6.7); a recipient ignores what is no date. */
function dateOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text))
    return undefined;
  return Math.floor(Date.parse(text) / 1000);
}

export function randomRequest(random: () => number, object: ModelObject): ModelRequest {
  const pick = <T>(...choices: T[]): T => choices[Math.floor(random() * choices.length)]!;
  const size = object.sizeBytes;
  const place = () =>
    String(
      random() < 0.5
        ? Math.max(0, pick(0, 1, size - 2, size - 1, size, size + 1, 2 * size, 64 * 1024))
        : Math.floor(random() * (size + 2)),
    );
  const rangeSpec = () =>
    pick(
      () => `${place()}-${place()}`,
      () => `${place()}-`,
      () => `-${place()}`,
    )();
  const range = () =>
    random() < 0.8
      ? `bytes=${rangeSpec()}`
      : pick(
          () => `bytes=${rangeSpec()},${rangeSpec()}`,
          () => `BYTES=${rangeSpec()}`,
          () => `bytes=, ${rangeSpec()} ,`,
          () => `items=${rangeSpec()}`,
          () => `bytes=${rangeSpec()}x`,
          () => `bytes ${rangeSpec()}`,
          () => 'bytes=-',
          () => 'bytes=',
          () => `bytes=+${rangeSpec()}`,
          () => `bytes=00${place()}-`,
          () => `bytes=0-99999999999999999999999999`,
          () => `bytes=99999999999999999999999999-`,
          () => `bytes=-99999999999999999999999999`,
        )();
  const modified = object.lastModified.getTime();
  const date = () => new Date(modified + pick(0, 0, -1000, 1000, -86_400_000, 86_400_000)).toUTCString();
  const otherTag = () => pick('"x"', '""', `W/${object.etag}`, object.etag.replace(/"$/, 'x"'));
  const tags = () =>
    pick(
      () => object.etag,
      () => object.etag,
      () => '*',
      () => otherTag(),
      () => `"a", ${object.etag}`,
      () => `"a" ,W/"b",, ${otherTag()}`,
      () => `W/${object.etag}, "b"`,
    )();
  const headers: Record<string, string> = {};
  if (random() < 0.75) headers.Range = range();
  if (random() < 0.3)
    headers['If-Range'] = pick(
      () => object.etag,
      date,
      otherTag,
      () => 'yesterday',
    )();
  if (random() < 0.25) headers['If-None-Match'] = tags();
  if (random() < 0.15) headers['If-Modified-Since'] = pick(date, () => 'soon')();
  if (random() < 0.1) headers['If-Match'] = tags();
  if (random() < 0.1) headers['If-Unmodified-Since'] = pick(date, () => 'never')();
  return { method: random() < 0.2 ? 'HEAD' : 'GET', headers };
}

/** Bodies longer than this are compared by the digests of both their ends. */
export const COMPARED_WHOLE_BYTES = 64 * 1024;

/** What an answer ought to have been, in words; undefined where it is right. */
export async function faultOf(
  asked: ModelRequest,
  object: ModelObject,
  bytes: Uint8Array,
  got: { status: number; headers: Headers; body: Uint8Array },
): Promise<string | undefined> {
  const wanted = modelAnswer(asked, object);
  const faults: string[] = [];
  const expectField = (name: string, value: string | null) => {
    if (got.headers.get(name) !== value) faults.push(`${name} ${got.headers.get(name)}, not ${value}`);
  };
  if (got.status !== wanted.status) faults.push(`status ${got.status}, not ${wanted.status}`);
  expectField('content-range', wanted.contentRange ?? null);
  if (wanted.contentLength !== undefined) expectField('content-length', String(wanted.contentLength));
  if (wanted.status < 400) expectField('etag', object.etag);
  if (wanted.status < 400 && wanted.status !== 304) expectField('accept-ranges', 'bytes');
  if (asked.method === 'HEAD' || wanted.status === 304) {
    if (got.body.byteLength > 0) faults.push(`a body of ${got.body.byteLength} bytes`);
  } else if (wanted.status < 400) {
    const slice =
      wanted.first === undefined ? bytes.subarray(0, 0) : bytes.subarray(wanted.first, wanted.last! + 1);
    if (!(await isSame(got.body, slice))) faults.push('other bytes');
  }
  return faults.length === 0
    ? undefined
    : `${JSON.stringify(asked)} of ${object.sizeBytes}: ${faults.join('; ')}`;
}

async function isSame(got: Uint8Array, wanted: Uint8Array): Promise<boolean> {
  if (got.byteLength !== wanted.byteLength) return false;
  if (got.byteLength <= COMPARED_WHOLE_BYTES) return got.every((byte, index) => byte === wanted[index]);
  const ends = (bytes: Uint8Array) =>
    Promise.all([
      digest(bytes.subarray(0, COMPARED_WHOLE_BYTES)),
      digest(bytes.subarray(-COMPARED_WHOLE_BYTES)),
    ]);
  return String(await ends(got)) === String(await ends(wanted));
}

async function digest(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))).join();
}
