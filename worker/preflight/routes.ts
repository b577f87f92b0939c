// POST /v1/preflight?sizeBytes=N: what would happen to a file, before a byte of it is uploaded. The body is the
// file's first 256 KiB followed by its last 256 KiB; where the file is smaller than both, they may overlap, or
// the body is the whole file. `&video={"ladder":…}` asks for what the video would be created with. Nothing is stored.
import { Hono } from 'hono';
import { VideoInput } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { PREFLIGHT_PIECE_BYTES } from '../../shared/limits.ts';
import { type Pieces, preflight } from '../../shared/preflight.ts';
import type { PreflightAnswer } from '../../shared/preflight-answer.ts';
import { requires } from '../http/auth.ts';
import { parseJson, validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { holdsPreflightRate } from '../http/creation-rate.ts';
import { repeatable } from '../http/idempotency.ts';
import { planOptionsOf } from '../jobs/plan-options.ts';

export function preflightRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post('/v1/preflight', requires('uploader'), repeatable, holdsPreflightRate, async (c) => {
    const sizeBytes = sizeOf(c.req.query('sizeBytes'));
    const options = planOptionsOf(c.var.config, choicesOf(c.req.query('video')));
    const pieces = piecesIn(await readBody(c.req.raw), sizeBytes);
    const answer: PreflightAnswer = await preflight(pieces, options);
    const { verdict, reasons, container, instant } = answer;
    c.var.log.info('preflight.answered', { verdict, reason: reasons[0]?.code, container, instant });
    return c.json(answer);
  });

  return app;
}

const MAX_BODY_BYTES = 2 * PREFLIGHT_PIECE_BYTES;

function sizeOf(text: string | undefined): number {
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  throw new AppError('invalid_request', {
    detail: 'Say how large the whole file is: /v1/preflight?sizeBytes=12345.',
  });
}

/** The part of a VideoInput that the plan depends on, as `videos.options` would hold it. */
function choicesOf(text: string | undefined): string {
  if (text === undefined) return '{}';
  const { ladder, segmentSeconds, preset } = validated(VideoInput, parseJson(text, 'video'));
  return JSON.stringify({ ladder, segmentSeconds, preset });
}

function piecesIn(body: Uint8Array, sizeBytes: number): Pieces {
  const headBytes = Math.min(PREFLIGHT_PIECE_BYTES, sizeBytes, body.length);
  const tailBytes = body.length - headBytes;
  if (tailBytes > sizeBytes || (body.length === 0) !== (sizeBytes === 0)) {
    throw new AppError('invalid_request', {
      detail: `The body has ${body.length} bytes, which cannot be the two ends of a file of ${sizeBytes}.`,
    });
  }
  return { head: body.subarray(0, headBytes), tail: body.subarray(headBytes), sizeBytes };
}

/** @throws AppError upload_body_too_large above two pieces. */
async function readBody(request: Request): Promise<Uint8Array> {
  const body = new Uint8Array(MAX_BODY_BYTES);
  let length = 0;
  for await (const piece of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    if (length + piece.byteLength > MAX_BODY_BYTES) {
      throw new AppError('upload_body_too_large', {
        detail: `Two pieces of ${PREFLIGHT_PIECE_BYTES} bytes are enough; at most ${MAX_BODY_BYTES} are taken.`,
      });
    }
    body.set(piece, length);
    length += piece.byteLength;
  }
  return body.subarray(0, length);
}
