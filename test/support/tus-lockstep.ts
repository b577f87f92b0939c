// Lives one generated life of an upload on two servers at once and tells where their answers part.
import type { Life, Step, Version } from './tus-sequences.ts';
import { sendTus, type TusAnswer, type TusRequest, type TusServer } from './tus-wire.ts';

export type Parting = {
  /** What was asked, in words a table of differences can be written in. */
  step: Step | Life['creation'];
  request: TusRequest;
  /** Where the upload stood before the request. */
  offset: number;
  length: number | null;
  isComplete: boolean;
  ours: TusAnswer;
  theirs: TusAnswer;
};

const VERSIONS: Record<Version, Record<string, string>> = {
  right: { 'Tus-Resumable': '1.0.0' },
  missing: {},
  old: { 'Tus-Resumable': '0.2.2' },
};
const CHUNK_TYPE = 'application/offset+octet-stream';

/** Every parting, up to the one after which the two uploads are no longer alike. */
export async function liveTwice(
  servers: { ours: TusServer; theirs: TusServer },
  { creation, steps, size }: Life & { size: number },
): Promise<Parting[]> {
  const file = fileOf(size);
  const paths = { ours: '', theirs: '' };
  const partings: Parting[] = [];
  let offset = 0;
  let length: number | null = creation.length === null ? null : Number(creation.length);

  /** Both answers, or undefined when the two can go no further together. */
  const ask = async (step: Parting['step'], make: (path: string) => TusRequest) => {
    const [ours, theirs] = await Promise.all([
      sendTus(servers.ours, make(paths.ours)),
      sendTus(servers.theirs, make(paths.theirs)),
    ]);
    if (!areAlike(ours, theirs)) {
      partings.push({ step, request: make(''), offset, length, isComplete: offset === length, ours, theirs });
      if (ours.status < 400 || theirs.status < 400) return undefined;
    }
    return { ours, theirs };
  };

  const born = await ask(creation, () => creationRequest(creation, file));
  if (!born?.ours.location || !born.theirs.location) return partings;
  offset = Number(born.ours.offset ?? 0);
  paths.ours = born.ours.location;
  paths.theirs = born.theirs.location;
  for (const step of steps) {
    const answers = await ask(step, (path) => stepRequest(step, path, offset, file));
    if (!answers) return partings;
    if (step.act !== 'patch' || answers.ours.status !== 204) continue;
    offset = Number(answers.ours.offset);
    if (step.declare !== null) length = size + step.declare;
  }
  return partings;
}

/** A parting on one line, for a failure that can be read. */
export function sentenceOf({ request, offset, length, ours, theirs }: Parting): string {
  const { method, headers, body, isChunked } = request;
  const asked = `${method} ${JSON.stringify(headers)} with ${body?.length ?? 'no'} bytes${isChunked ? ' in chunks' : ''}`;
  return `${asked} at ${offset} of ${length}: ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}`;
}

/** Same status and, where it is a success, the same upload. */
function areAlike(ours: TusAnswer, theirs: TusAnswer): boolean {
  if (ours.status !== theirs.status) return false;
  if (ours.status >= 400) return true;
  return (['offset', 'length', 'deferred', 'metadata'] as const).every((name) => ours[name] === theirs[name]);
}

/** Begins like an MP4, so that a complete file is taken for a video. */
export function fileOf(size: number): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(size).map((_, index) => (index * 7 + (index >> 8)) % 256);
  file.set([0, 0, 0, 16, ...new TextEncoder().encode('ftypisom'), 0, 0, 2, 0]);
  return file;
}

function creationRequest(creation: Life['creation'], file: Uint8Array<ArrayBuffer>): TusRequest {
  const { length, defer, metadata, bodyBytes, version } = creation;
  return {
    method: 'POST',
    path: '',
    headers: {
      ...VERSIONS[version],
      ...(length !== null && { 'Upload-Length': length }),
      ...(defer !== null && { 'Upload-Defer-Length': defer }),
      ...(metadata !== null && { 'Upload-Metadata': metadata }),
      ...(bodyBytes !== null && { 'Content-Type': CHUNK_TYPE }),
    },
    ...(bodyBytes !== null && { body: padded(file, 0, bodyBytes) }),
  };
}

function stepRequest(step: Step, path: string, offset: number, file: Uint8Array<ArrayBuffer>): TusRequest {
  if (step.act === 'head elsewhere') {
    return { method: 'HEAD', path: path.replace(/[^/]+$/, '0123456789abcdef'), headers: VERSIONS.right };
  }
  const version = VERSIONS[step.version];
  if (step.act !== 'patch')
    return { method: step.act === 'head' ? 'HEAD' : 'DELETE', path, headers: version };
  const rest = file.length - offset;
  const count = { rest, tooMuch: rest + 1 }[String(step.bodyBytes)] ?? Number(step.bodyBytes);
  const claimed = { right: String(offset + step.shift), malformed: 'x1', missing: undefined }[
    step.offsetForm
  ];
  const type = { right: CHUNK_TYPE, other: 'video/mp4', missing: undefined }[step.type];
  return {
    method: step.isOverridden ? 'POST' : 'PATCH',
    path,
    headers: {
      ...version,
      ...(claimed !== undefined && { 'Upload-Offset': claimed }),
      ...(type !== undefined && { 'Content-Type': type }),
      ...(step.declare !== null && { 'Upload-Length': String(file.length + step.declare) }),
      ...(step.isOverridden && { 'X-HTTP-Method-Override': 'PATCH' }),
    },
    body: padded(file, offset, count),
    isChunked: step.isChunked && count > 0,
  };
}

function padded(file: Uint8Array<ArrayBuffer>, offset: number, count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(0, count));
  bytes.set(file.subarray(offset, offset + bytes.length));
  return bytes;
}
