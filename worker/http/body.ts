// JSON bodies: bounded while they are read, then validated by the schema their type comes from.
import type { z } from 'zod';
import { AppError } from '../../shared/errors.ts';
import { KIB } from '../../shared/limits.ts';

const MAX_JSON_BYTES = 256 * KIB;

/**
 * The request's JSON as `schema` sees it; an absent body counts as `{}`.
 *
 * @throws AppError `invalid_request` with the issues, `upload_body_too_large` above `maxBytes`.
 */
export async function jsonBody<T>(
  c: { req: { raw: Request } },
  schema: z.ZodType<T>,
  maxBytes = MAX_JSON_BYTES,
): Promise<T> {
  const bytes = await readBytes(c.req.raw, maxBytes);
  return validated(schema, parseJson(new TextDecoder().decode(bytes), 'body'));
}

/** @throws AppError `invalid_request`, each issue with its path. */
export function validated<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  const first = issues[0];
  const detail = first ? (first.path ? `${first.path}: ${first.message}.` : `${first.message}.`) : undefined;
  throw new AppError('invalid_request', { ...(detail && { detail }), extra: { issues } });
}

/** @throws AppError `invalid_request` naming `what` it is that is not JSON. */
export function parseJson(text: string, what: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('invalid_request', { detail: `The ${what} is not JSON.`, cause });
  }
}

/** The whole of a small body. @throws AppError `upload_body_too_large` as soon as it has more than `maxBytes`. */
export async function readBytes(
  request: Pick<Request, 'body'>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  if (request.body) {
    for await (const piece of request.body as ReadableStream<Uint8Array<ArrayBuffer>>) {
      sizeBytes += piece.byteLength;
      if (sizeBytes > maxBytes) {
        throw new AppError('upload_body_too_large', {
          detail: `The body may have ${maxBytes / KIB} KiB at most here.`,
        });
      }
      pieces.push(piece);
    }
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
