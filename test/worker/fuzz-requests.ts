// Requests made from the OpenAPI document: right ones, nearly right ones, and hostile ones. Ids are chosen when a
// request is sent, among those the answers so far have told.
import fc, { type Arbitrary } from 'fast-check';
import type { DocumentedOperation, OpenApiDocument, Parameter } from '../../shared/openapi/document.ts';
import {
  type Components,
  HOSTILE_TEXTS,
  HOSTILE_VALUES,
  nearlyOf,
  STORED_KEY,
  validOf,
} from './fuzz-values.ts';

/** An id to be chosen: `nth` among those of the kind that belongs here, or of another kind, or just a text. */
export type IdChoice = { nth: number } | { otherKind: number } | { text: string };
export type CallerChoice = 'right' | 'stranger' | 'admin' | 'uploader' | 'viewer' | 'nobody' | 'wrong';

export type FuzzRequest = {
  method: string;
  template: string;
  ids: Record<string, IdChoice>;
  query: [name: string, value: string][];
  headers: [name: string, value: string][];
  caller: CallerChoice;
  /** JSON, text as it is, or so many bytes; `fitting` are as many as the upload wants. */
  body: { text: string } | { bytes: number } | { fitting: true } | null;
};

export function requestsOf(document: OpenApiDocument): Arbitrary<FuzzRequest> {
  const { schemas } = document.components;
  const all = Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      requestOf(method.toUpperCase(), template, operation, schemas),
    ),
  );
  return fc.oneof(...all);
}

function requestOf(
  method: string,
  template: string,
  operation: DocumentedOperation,
  components: Components,
): Arbitrary<FuzzRequest> {
  const { parameters = [], requestBody, security } = operation;
  const [media = '', { schema = {} } = {}] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const isJson = media === 'application/json';
  const value = validOf(schema, components);
  const names = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
  const otherMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  const rightQuery = queryOf(parameters, components);
  const rightHeaders = headersOf(parameters, media);
  const right = {
    template: fc.constant(template),
    ids: idsOf(
      names,
      fc.nat(200).map((nth): IdChoice => ({ nth })),
    ),
    query: rightQuery,
    headers: rightHeaders,
    caller: fc.constant<CallerChoice>('right'),
  };
  const rightBody = !requestBody ? fc.constant(null) : isJson ? value.map(jsonText) : otherBody(media);
  const nearlyBody = !requestBody
    ? fc.constant(null)
    : isJson
      ? nearlyOf(value).map(jsonText)
      : otherBody(media);
  const valid = fc.record<FuzzRequest>({ ...right, method: fc.constant(method), body: rightBody });
  const nearly = fc.record<FuzzRequest>({
    ...right,
    method: fc.constant(method),
    ids: idsOf(names, anyId),
    query: fc.oneof(rightQuery, spoiledQuery(parameters)),
    caller: security.length === 0 ? fc.constantFrom('right', 'nobody') : anyCaller,
    body: nearlyBody,
  });
  const hostile = fc.record<FuzzRequest>({
    ...right,
    method: fc.constantFrom(method, method, ...otherMethods),
    ids: idsOf(names, anyId),
    query: fc.oneof(rightQuery, spoiledQuery(parameters)),
    headers: fc.tuple(rightHeaders, hostileHeaders).map(([mine, wrong]) => [...mine, ...wrong]),
    caller: anyCaller,
    body: fc.oneof(nearlyBody, hostileBody),
  });
  return fc.oneof(
    { weight: 4, arbitrary: valid },
    { weight: 3, arbitrary: nearly },
    { weight: 3, arbitrary: hostile },
  );
}

const anyCaller = fc.constantFrom<CallerChoice>(
  ...(['right', 'right', 'right', 'stranger', 'admin', 'uploader', 'viewer', 'nobody', 'wrong'] as const),
);
const anyId: Arbitrary<IdChoice> = fc.oneof(
  { weight: 4, arbitrary: fc.nat(200).map((nth) => ({ nth })) },
  { weight: 1, arbitrary: fc.nat(200).map((otherKind) => ({ otherKind })) },
  { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_TEXTS).map((text) => ({ text })) },
  { weight: 1, arbitrary: fc.uuid().map((text) => ({ text })) },
);

function idsOf(names: string[], id: Arbitrary<IdChoice>): Arbitrary<Record<string, IdChoice>> {
  return fc.record(Object.fromEntries(names.map((name) => [name, id])));
}

function jsonText(value: unknown): { text: string } {
  return { text: JSON.stringify(value) ?? 'undefined' };
}

function otherBody(media: string): Arbitrary<FuzzRequest['body']> {
  if (media === 'text/vtt') return fc.constantFrom(...TEXTS).map((text) => ({ text }));
  if (media.includes('form')) return fc.constantFrom(...FORMS).map((text) => ({ text }));
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant({ fitting: true as const }) },
    { weight: 1, arbitrary: fc.nat(200).map((bytes) => ({ bytes })) },
  );
}

const TEXTS = [
  'WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n',
  '1\n00:00:01,000 --> 00:00:02,000\nHello\n',
  ...['WEBVTT\n', '', 'no subtitles at all', 'WEBVTT\n\n99:99.999 --> 00:00.000\n<b>\n'],
];
/** As much of a file as is looked at when it has arrived. */
const MP4 = '\u0000\u0000\u0000\u0010ftypisom\u0000\u0000\u0002\u0000';
const BOUNDARY = 'fuzz-boundary';
const part = (name: string, text: string, more = '') =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${text}\r\n`;
const FORMS = [
  `${part('content_type', 'movie')}${part('content_id', '7')}--${BOUNDARY}--\r\n`,
  `${part('content_type', 'movie')}${part('content_id', '8')}${part('video', MP4, '; filename="a.mp4"')}--${BOUNDARY}--\r\n`,
  `${part('content_type', 'film')}--${BOUNDARY}--\r\n`,
  ...['content_type=movie&content_id=9', 'content_type=movie', 'x=%ff&&&=', `--${BOUNDARY}`, ''],
];

const hostileBody: Arbitrary<FuzzRequest['body']> = fc.oneof(
  fc.constantFrom(...HOSTILE_VALUES).map(jsonText),
  fc
    .constantFrom('{', '{"a":', '[1,2', 'undefined', '\ufeff{}', '{"a":1}{"b":2}', '['.repeat(2000))
    .map((text) => ({ text })),
  fc.jsonValue({ maxDepth: 3 }).map(jsonText),
  fc.nat(300).map((bytes) => ({ bytes })),
  fc.constant(null),
);

const LIKELY_QUERY: Record<string, Arbitrary<unknown>> = {
  sizeBytes: fc.nat(2000),
  language: fc.constantFrom('en', 'de', 'pt-BR', 'xx-nonsense-'),
  key: fc.constantFrom(STORED_KEY, 'sources/x', 'nothing'),
};

function queryOf(parameters: Parameter[], components: Components): Arbitrary<[string, string][]> {
  const each = parameters
    .filter((parameter) => parameter.in === 'query' && parameter.name !== 'ticket')
    .map(({ name, required, schema }) => {
      const value = LIKELY_QUERY[name] ?? validOf(schema, components);
      const pair = value.map((it): [string, string][] => [[name, String(it)]]);
      return required ? pair : fc.oneof(pair, fc.constant<[string, string][]>([]));
    });
  return fc.tuple(...each).map((pairs) => pairs.flat());
}

function spoiledQuery(parameters: Parameter[]): Arbitrary<[string, string][]> {
  const names = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  return fc.array(
    fc.tuple(fc.constantFrom(...names, 'limit', 'surplus'), fc.constantFrom(...HOSTILE_TEXTS)),
    { maxLength: 3 },
  );
}

const HEADER_VALUES: Record<string, string[]> = {
  'Tus-Resumable': ['1.0.0'],
  'Upload-Length': ['1', '20', '64', '1000000000'],
  'Upload-Metadata': ['filename YS5tcDQ=', 'filename YS5tcDQ=,title VGl0bGU=,kind bW92aWU=', 'kind bm9uZQ=='],
  'Upload-Offset': ['0', '0', '0', '5'],
  'Upload-Checksum': ['sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=', 'sha256 aaaa', 'none x'],
  'Content-Digest': ['sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:', 'md5=:AA==:', 'nonsense'],
  'Content-MD5': ['AAAAAAAAAAAAAAAAAAAAAA==', 'x'],
  'Idempotency-Key': ['key-1', 'key-2', 'key-3'],
  Range: ['bytes=0-9', 'bytes=5-', 'bytes=-5', 'bytes=9999999-', 'bytes=0-1,3-4'],
  'If-None-Match': ['*', '"x"', 'W/"y"'],
};
const NEEDED = ['Tus-Resumable', 'Upload-Offset', 'Upload-Length', 'Range'];

function headersOf(parameters: Parameter[], media: string): Arbitrary<[string, string][]> {
  const each = parameters
    .filter((parameter) => parameter.in === 'header')
    .map(({ name }) => {
      const pair = fc
        .constantFrom(...(HEADER_VALUES[name] ?? ['x']))
        .map((value): [string, string][] => [[name, value]]);
      const isNeeded = NEEDED.includes(name);
      return fc.oneof(
        { weight: isNeeded ? 30 : 1, arbitrary: pair },
        { weight: 4, arbitrary: fc.constant<[string, string][]>([]) },
      );
    });
  const type: [string, string][] =
    media === ''
      ? []
      : [['Content-Type', media === 'multipart/form-data' ? `${media}; boundary=${BOUNDARY}` : media]];
  return fc.tuple(...each).map((pairs) => [...type, ...pairs.flat()]);
}

const HOSTILE_HEADERS: [string, string[]][] = [
  ['Content-Type', ['text/html', 'application/json; charset=utf-16', 'multipart/form-data', 'x']],
  ['Content-Length', ['0', '-1', '18446744073709551616', 'abc']],
  ['Accept', ['text/event-stream', 'image/*', '']],
  ['Origin', ['https://evil.example', 'null', 'x']],
  ['Upgrade', ['websocket', 'h2c']],
  ['Range', ['bytes=0-', 'bytes=-', 'bytes=9-1', 'lines=1-2', `bytes=0-${'9'.repeat(30)}`]],
  ['Idempotency-Key', ['', 'a'.repeat(300), 'a\tb', 'key-1']],
  ['X-HTTP-Method-Override', ['DELETE', 'PATCH', 'BREW']],
  ['Upload-Metadata', ['filename', ',,,', 'a YQ==,a YQ==', `filename ${'A'.repeat(9000)}`]],
  ['Upload-Offset', ['-1', '1e3', '9'.repeat(40)]],
  ['Upload-Defer-Length', ['1', '2']],
  ['Tus-Resumable', ['0.2.2', '']],
  ['If-Match', ['"x"', '*']],
  ['If-Modified-Since', ['yesterday', 'Thu, 01 Jan 1970 00:00:00 GMT']],
  ['CMCD-Request', ['bl=abc', 'mtp=99999999999999999999', ',,,"']],
  ['traceparent', ['00-0-0-0', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01']],
];
const hostileHeaders = fc.array(
  fc
    .constantFrom(...HOSTILE_HEADERS)
    .chain(([name, values]) => fc.tuple(fc.constant(name), fc.constantFrom(...values))),
  { minLength: 1, maxLength: 3 },
);
