// Media over a WebSocket: /p/{token}/stream. The token is judged like that of every segment, before the connection and
// as long as it lasts.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { SECOND_MS } from '../../shared/limits.ts';
import { errorFields } from '../../shared/log.ts';
import { HEARTBEAT } from '../../shared/room-heartbeat.ts';
import { MAX_STREAM_MESSAGE_CHARS, STREAM_SILENCE_SECONDS, StreamCommand } from '../../shared/stream-api.ts';
import { parseJson, validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { admit } from '../playback/admission.ts';
import type { MediaStore } from '../playback/media-store.ts';
import { edgeTtlSeconds } from '../playback/popularity.ts';
import { answerGoodbye, CLOSE_TOO_BIG, CLOSE_UNSUPPORTED, closeFor } from './close-code.ts';
import { MediaStream } from './media-stream.ts';
import { readTracks } from './stream-tracks.ts';
import { fullBucket, type Rate, taken } from './token-bucket.ts';

/** Revocation, expiry and place are looked at this often where nothing is sent; else with every frame. */
const RECHECK_MS = 5 * SECOND_MS;
/** With 2 MiB under way each, a third of an isolate's memory. */
const MAX_STREAMS = 24;
const MAX_STREAMS_PER_SESSION = 4;
/** Credit for 1440p comes 20 times a second; an answer to each message is all that may pile up unread. */
const MESSAGE_RATE: Rate = { burst: 200, perSecond: 50 };

/** Session ids of the streams of this isolate. */
const open: string[] = [];

export function streamRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get('/p/:token/stream', async (c) => {
    const token = c.req.param('token');
    const claims = await admit(c, token, Date.now());
    if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
      throw new AppError('invalid_request', { detail: 'Open a WebSocket here.' });
    }
    const store = () => storeOf(c, claims.pfx);
    const tracks = await readTracks(claims.pfx, store());
    takePlace(claims.sid);
    const { 0: client, 1: socket } = new WebSocketPair();
    serve(c, socket, token, claims.sid, (world) => new MediaStream({ ...world, store }, claims, tracks));
    return new Response(null, { status: 101, webSocket: client });
  });
  return app;
}

type World = Omit<ConstructorParameters<typeof MediaStream>[0], 'store'>;

function serve(
  c: Context<AppEnv>,
  socket: WebSocket,
  firstToken: string,
  sessionId: string,
  streamIn: (world: World) => MediaStream,
): void {
  const { log } = c.var;
  let token = firstToken;
  let heardMs = Date.now();
  let bucket = fullBucket(MESSAGE_RATE, heardMs);
  let isOver = false;
  const close = () => {
    if (isOver) return;
    isOver = true;
    clearInterval(timer);
    stream.stop();
    open.splice(open.indexOf(sessionId), 1);
  };
  const end = (error: AppError) => {
    if (isOver) return;
    close();
    if (socket.readyState !== WebSocket.OPEN) return;
    const { code, detail } = error;
    socket.send(JSON.stringify({ type: 'error', code, detail }));
    closeFor(socket, error);
  };
  socket.accept();
  const stream = streamIn({
    ...{ socket, log, end },
    admit: async (renewed = token) => {
      const claims = await admit(c, renewed, Date.now());
      token = renewed;
      return claims;
    },
  });
  const timer = setInterval(() => {
    if (heardMs + STREAM_SILENCE_SECONDS * SECOND_MS <= Date.now()) end(new AppError('connection_silent'));
    else void stream.recheck();
  }, RECHECK_MS);

  socket.addEventListener('message', ({ data }) => {
    heardMs = Date.now();
    const left = taken(bucket, MESSAGE_RATE, heardMs);
    if (!left) return end(new AppError('rate_limited'));
    bucket = left;
    if (data === HEARTBEAT) return socket.send('pong');
    if (typeof data !== 'string') {
      socket.close(CLOSE_UNSUPPORTED, 'messages are text');
      return close();
    }
    if (data.length > MAX_STREAM_MESSAGE_CHARS) {
      socket.close(CLOSE_TOO_BIG, `messages have at most ${MAX_STREAM_MESSAGE_CHARS} characters`);
      return close();
    }
    void obey(stream, data, end);
  });
  socket.addEventListener('close', ({ code }) => {
    if (!isOver) answerGoodbye(socket, code);
    close();
  });
  socket.addEventListener('error', ({ error }) => {
    log.warn('stream.socket_failed', errorFields(error));
    close();
  });
}

/** A command that cannot be followed ends the stream: what would come next is not what its client believes. */
async function obey(stream: MediaStream, text: string, end: (error: AppError) => void): Promise<void> {
  try {
    await stream.perform(validated(StreamCommand, parseJson(text, 'message')));
  } catch (error) {
    end(error instanceof AppError ? error : new AppError('internal', { cause: error }));
  }
}

function takePlace(sessionId: string): void {
  const own = open.filter((other) => other === sessionId).length;
  if (open.length >= MAX_STREAMS || own >= MAX_STREAMS_PER_SESSION) {
    throw new AppError('too_many_connections', {
      detail: `At most ${MAX_STREAMS_PER_SESSION} streams per session are open at a time.`,
      retryAfterSeconds: 5,
    });
  }
  open.push(sessionId);
}

/** The same path as that of segments over HTTP: memory, edge cache, R2. */
function storeOf(c: Context<AppEnv>, prefix: string): MediaStore {
  const { MEDIA: bucket, DB: db } = c.env;
  const waitUntil = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
  const ttlSeconds = edgeTtlSeconds(prefix, { db, log: c.var.log, nowMs: Date.now(), waitUntil });
  return { bucket, cache: caches.default, ttlSeconds, waitUntil };
}
