// What the headers of a tus request say. https://tus.io/protocols/resumable-upload
import { AppError } from '../../shared/errors.ts';
import { EDGE_MULTIPART_MAX_BYTES, GIB, MIB } from '../../shared/limits.ts';
import type { BodyChecksum } from './body-checksum.ts';
import { readChecksum } from './tus-checksum.ts';

export const TUS_CONTENT_TYPE = 'application/offset+octet-stream';
export const TUS_MAX_BYTES = EDGE_MULTIPART_MAX_BYTES;

/** Bytes on their way into an upload, as their request describes them. */
export type TusChunk = {
  offset: number;
  /** The length of the whole upload, when it was deferred and becomes known now. */
  declaredLengthBytes?: number;
  /** Absent where the body comes in chunked transfer coding. */
  contentLengthBytes?: number;
  /** What one body may have at most. */
  bodyLimitBytes: number;
  checksum?: BodyChecksum;
};

export type TusCreation = {
  /** Null when the length is deferred. */
  lengthBytes: number | null;
  metadata: string | null;
  /** Creation with upload: the first bytes came along. */
  chunk?: TusChunk;
};

/** A PATCH. @throws AppError for what is missing or malformed. */
export function readChunk(headers: Headers, bodyLimitBytes: number): TusChunk {
  const offset = readNumber(headers, 'Upload-Offset');
  if (offset === undefined) {
    throw new AppError('invalid_request', { detail: 'A PATCH names its Upload-Offset.' });
  }
  const declaredLengthBytes = readNumber(headers, 'Upload-Length');
  if (declaredLengthBytes !== undefined) requireLength(declaredLengthBytes);
  requireContentType(headers);
  return {
    offset,
    ...(declaredLengthBytes !== undefined && { declaredLengthBytes }),
    ...readBody(headers, bodyLimitBytes),
  };
}

/** A POST that creates an upload. @throws AppError for what is missing or malformed. */
export function readCreation(headers: Headers, hasBody: boolean, bodyLimitBytes: number): TusCreation {
  if (headers.has('Upload-Concat')) {
    throw new AppError('invalid_request', {
      detail: 'Upload-Concat is not offered here; switch parallel uploads off in the client.',
    });
  }
  const lengthBytes = readNumber(headers, 'Upload-Length');
  const deferred = headers.get('Upload-Defer-Length');
  if (deferred !== null && deferred !== '1') {
    throw new AppError('invalid_request', { detail: 'Upload-Defer-Length can be 1 and nothing else.' });
  }
  if ((lengthBytes === undefined) === (deferred === null)) {
    throw new AppError('invalid_request', {
      detail: 'A creation needs either Upload-Length or Upload-Defer-Length: 1.',
    });
  }
  if (lengthBytes !== undefined) requireLength(lengthBytes);
  const creation = { lengthBytes: lengthBytes ?? null, metadata: headers.get('Upload-Metadata') };
  // Clients that send no bytes may send a Content-Type all the same.
  if (!hasBody || headers.get('Content-Length') === '0') return creation;
  requireContentType(headers);
  return { ...creation, chunk: { offset: 0, ...readBody(headers, bodyLimitBytes) } };
}

/** @throws AppError `upload_empty`, `upload_too_large` */
function requireLength(lengthBytes: number): void {
  if (lengthBytes === 0) throw new AppError('upload_empty');
  if (lengthBytes <= TUS_MAX_BYTES) return;
  throw new AppError('upload_too_large', {
    detail: `An upload may have ${TUS_MAX_BYTES / GIB} GiB at most here.`,
  });
}

function readBody(headers: Headers, bodyLimitBytes: number) {
  const contentLengthBytes = readNumber(headers, 'Content-Length');
  if (contentLengthBytes !== undefined && contentLengthBytes > bodyLimitBytes) {
    throw bodyTooLarge(bodyLimitBytes);
  }
  const checksum = headers.get('Upload-Checksum');
  return {
    bodyLimitBytes,
    ...(contentLengthBytes !== undefined && { contentLengthBytes }),
    ...(checksum !== null && { checksum: readChecksum(checksum) }),
  };
}

export function bodyTooLarge(limitBytes: number): AppError {
  return new AppError('upload_body_too_large', {
    detail: `A request body may have ${limitBytes} bytes at most; set the client's chunkSize to ${Math.max(1, Math.floor(limitBytes / MIB))} MiB or less.`,
  });
}

export function sizeExceeded(roomBytes: number): AppError {
  return new AppError('upload_size_exceeded', {
    detail: `The upload lacks ${roomBytes} bytes, and the body has more.`,
  });
}

function requireContentType(headers: Headers): void {
  const [type = ''] = (headers.get('Content-Type') ?? '').split(';');
  if (type.trim().toLowerCase() === TUS_CONTENT_TYPE) return;
  throw new AppError('upload_content_type_wrong', { detail: `Bytes come as ${TUS_CONTENT_TYPE}.` });
}

/** A non-negative integer without sign, spaces or leading zeros. Past 2^53 it is merely large. */
function readNumber(headers: Headers, name: string): number | undefined {
  const text = headers.get(name);
  if (text === null) return undefined;
  if (!/^(0|[1-9]\d{0,30})$/.test(text)) {
    throw new AppError('invalid_request', { detail: `${name} is a non-negative integer.` });
  }
  return Number(text);
}
