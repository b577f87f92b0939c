// Upload-Metadata: the client's own words, turned into the same input that other methods validate. Keys that
// mean nothing here are echoed and otherwise ignored; no value reaches a key or a path.
import { CreateUpload } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { KIB } from '../../shared/limits.ts';
import { validated } from '../http/body.ts';

const MAX_METADATA_CHARS = 8 * KIB;

/** Keys that become a field of `video` as they are. */
const TEXT_FIELDS = ['title', 'kind', 'contentId', 'visibility', 'protection', 'preset'];
const TRUTH: Record<string, boolean> = { true: true, false: false };
/** Keys whose value is a list with commas. */
const LIST_FIELDS = ['regions', 'tags'];

const FileFacts = CreateUpload.pick({ filename: true, sha256: true, video: true });

/**
 * What the metadata says of the file. `filename` (or `name`, as some clients call it) may be missing.
 *
 * @throws AppError `upload_metadata_invalid`, `invalid_request` for a value its schema refuses.
 */
export function readMetadata(header: string | null) {
  const values = header === null ? new Map<string, Uint8Array>() : parse(header);
  const text = (key: string) => {
    const bytes = values.get(key);
    return bytes === undefined ? undefined : textOf(key, bytes);
  };
  const video: Record<string, unknown> = {};
  for (const key of TEXT_FIELDS) if (values.has(key)) video[key] = text(key);
  for (const key of LIST_FIELDS) {
    const list = text(key);
    if (list !== undefined) video[key] = list === '' ? [] : list.split(',').map((entry) => entry.trim());
  }
  if (values.has('audioOnly')) video.audioOnly = TRUTH[text('audioOnly') ?? ''] ?? text('audioOnly');
  const segmentSeconds = text('segmentSeconds');
  if (segmentSeconds !== undefined) video.segmentSeconds = Number(segmentSeconds);
  return validated(FileFacts, {
    filename: text('filename') || text('name') || 'upload',
    ...(values.has('sha256') && { sha256: text('sha256') }),
    video,
  });
}

function parse(header: string): Map<string, Uint8Array> {
  if (header.length > MAX_METADATA_CHARS) {
    throw invalid(`Upload-Metadata may have ${MAX_METADATA_CHARS} characters at most.`);
  }
  const values = new Map<string, Uint8Array>();
  for (const pair of header.split(',')) {
    const [key = '', value = '', ...more] = pair.split(' ');
    // Printable ASCII alone, so that the header can be echoed as it came.
    if (!/^[\x21-\x7e]+$/.test(key) || more.length > 0) {
      throw invalid('Upload-Metadata is a list of keys, each with a space and a value in Base64.');
    }
    if (values.has(key)) throw invalid(`The key ${key} comes twice.`);
    values.set(key, fromBase64(key, value));
  }
  return values;
}

function fromBase64(key: string, value: string): Uint8Array {
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw invalid(`The value of ${key} is not Base64.`);
  }
  return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
}

function textOf(key: string, bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid(`The value of ${key} is not UTF-8.`, cause);
  }
  if (/\p{Cc}/u.test(text)) throw invalid(`The value of ${key} contains control characters.`);
  return text;
}

function invalid(detail: string, cause?: unknown): AppError {
  return new AppError('upload_metadata_invalid', { detail, ...(cause !== undefined && { cause }) });
}
