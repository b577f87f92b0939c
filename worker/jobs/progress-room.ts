// One room per job: everybody who watches it, and the finest picture of it there is. The room is a display;
// D1 remains the truth, and a room that has lost everything is told again from there.
import { DurableObject } from 'cloudflare:workers';
import type { JobEvent } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS, MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { createLog, errorFields } from '../../shared/log.ts';
import { toBase64Url } from '../../shared/sign.ts';
import { isTerminal } from '../../shared/states.ts';
import type { Env } from '../env.ts';
import {
  closingType,
  eventOf,
  hasBecomePlayable,
  isWatchable,
  type JobNews,
  type LiveJob,
  withFrames,
  withNews,
} from './live-job.ts';
import type { LiveProgress } from './render.ts';
import { newsOf } from './room-client.ts';
import { jobById } from './store.ts';

const MAX_CONNECTIONS_PER_CALLER = 8;
const MAX_MESSAGE_CHARS = 4096;
const TICKET_SECONDS = 60;
const BROADCAST_INTERVAL_MS = 250;
const KEEP_ALIVE_MS = 15 * SECOND_MS;
/** An unread event stream holding this many events belongs to a client that has gone. */
const MAX_UNREAD_EVENTS = 100;
/** How long D1 believes that a job is being watched, and how often it is told so. */
const WATCHED_SECONDS = 2 * MINUTE_SECONDS;
const WATCHED_INTERVAL_MS = MINUTE_SECONDS * SECOND_MS;
/** An ended job's room forgets; the next visitor brings the job's row along. */
const FORGET_AFTER_MS = DAY_SECONDS * SECOND_MS;

const CLOSE_POLICY = 1008;
const CLOSE_TOO_BIG = 1009;
const CLOSE_INTERNAL = 1011;
const CLOSE_NO_STATUS = 1005;
const CLOSE_ABNORMAL = 1006;

/** The header in which the Worker names the caller of a connection it has let through. */
export const CALLER_HEADER = 'x-reelay-caller';

const TICKET_PREFIX = 'ticket:';
type IssuedTicket = { caller: string; expiresAtMs: number };

type EventStream = { caller: string; writer: WritableStreamDefaultWriter<Uint8Array>; unread: number };

export class ProgressRoom extends DurableObject<Env> {
  #live: LiveJob | undefined;
  readonly #streams = new Set<EventStream>();
  #keepAlive: ReturnType<typeof setInterval> | null = null;
  #lastBroadcastMs = 0;
  #laterBroadcast: ReturnType<typeof setTimeout> | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // Answered by the platform without waking the room.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'));
    this.#live = ctx.storage.kv.get<LiveJob>('live');
  }

  /** The ledger's word after a transition. */
  async announce(news: JobNews): Promise<void> {
    const before = this.#live;
    const live = this.#remember(withNews(before, news));
    if (before && before.state === live.state && before.stage === live.stage) {
      if (live.percent > before.percent) this.#broadcastSoon();
    } else if (isTerminal(live.state)) {
      this.#end(live);
    } else {
      this.#broadcast(eventOf(live, 'state', Date.now()));
    }
    if (hasBecomePlayable(before, live)) this.#broadcast(eventOf(live, 'playable', Date.now()));
  }

  /** Frames a task has done so far; false when the room must be told about its job first. */
  report(task: string, framesDone: number): boolean {
    const before = this.#live;
    if (!before) return false;
    const live = withFrames(before, task, framesDone);
    if (live === before) return isTerminal(before.state) || !task.startsWith('chunk:');
    this.#live = live;
    if (live.percent > before.percent) {
      this.#remember(live);
      this.#broadcastSoon();
    }
    return true;
  }

  /** What an answer of the API adds to the ledger's own numbers. */
  progress(): LiveProgress | undefined {
    if (!this.#live) return undefined;
    const { progress, etaSeconds } = eventOf(this.#live, 'progress', Date.now());
    return { progress, ...(etaSeconds === undefined ? {} : { etaSeconds }) };
  }

  /** A one-use pass for a connection that cannot carry an Authorization header. */
  issueTicket(caller: string): { ticket: string; expiresAtMs: number } {
    const nowMs = Date.now();
    const ticket = toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
    const expiresAtMs = nowMs + TICKET_SECONDS * SECOND_MS;
    for (const [key, { expiresAtMs: endMs }] of this.ctx.storage.kv.list<IssuedTicket>({
      prefix: TICKET_PREFIX,
    })) {
      if (endMs <= nowMs) this.ctx.storage.kv.delete(key);
    }
    this.ctx.storage.kv.put(TICKET_PREFIX + ticket, { caller, expiresAtMs } satisfies IssuedTicket);
    return { ticket, expiresAtMs };
  }

  /** The caller a ticket was issued to; undefined for one that is unknown, used or expired. */
  redeemTicket(ticket: string): string | undefined {
    const key = TICKET_PREFIX + ticket;
    const issued = this.ctx.storage.kv.get<IssuedTicket>(key);
    this.ctx.storage.kv.delete(key);
    return issued && issued.expiresAtMs > Date.now() ? issued.caller : undefined;
  }

  /** Opens a connection for a caller the Worker has let through, after it has announced the job. */
  override async fetch(request: Request): Promise<Response> {
    const caller = request.headers.get(CALLER_HEADER);
    const live = this.#live;
    if (!caller || !live) throw new Error('a connection needs a caller and an announced job');
    if (this.#connectionsOf(caller) >= MAX_CONNECTIONS_PER_CALLER) {
      return new Response(null, { status: new AppError('too_many_connections').status });
    }
    const opening = [eventOf(live, 'snapshot', Date.now())];
    if (isTerminal(live.state)) opening.push(eventOf(live, closingType(live.state), Date.now()));
    else if (isWatchable(live)) opening.push(eventOf(live, 'playable', Date.now()));
    const isWebSocket = request.headers.get('upgrade')?.toLowerCase() === 'websocket';
    const answer = isWebSocket ? this.#openSocket(caller, opening) : this.#openStream(caller, opening);
    await this.#keepWatched();
    return answer;
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    // Only `ping` is understood, and the platform has answered that already.
    const size = typeof message === 'string' ? message.length : message.byteLength;
    if (size > MAX_MESSAGE_CHARS) socket.close(CLOSE_TOO_BIG, 'messages are at most 4 KB');
    else socket.close(CLOSE_POLICY, 'only ping is understood');
  }

  /** The visitor has said goodbye; until it is answered their connection counts. */
  override webSocketClose(socket: WebSocket, code: number): void {
    // RFC 6455 §7.4.1: 1005 and 1006 stand for a code that was not sent, and may not be sent.
    if (code === CLOSE_NO_STATUS || code === CLOSE_ABNORMAL) socket.close();
    else socket.close(code);
  }

  override webSocketError(socket: WebSocket, error: unknown): void {
    createLog({ jobId: this.#live?.jobId }).warn('room.socket_failed', errorFields(error));
    socket.close(CLOSE_INTERNAL);
  }

  /** Fires each minute while somebody watches, and a day after the job's end. */
  override async alarm(): Promise<void> {
    const live = this.#live;
    if (live && isTerminal(live.state)) {
      if (this.#connections() === 0) await this.#forget();
      else await this.ctx.storage.setAlarm(Date.now() + FORGET_AFTER_MS);
    } else if (live && this.#connections() > 0) {
      await this.#keepWatched();
      // An announcement may have been lost; what watchers see in the end is what D1 says.
      const row = await jobById(this.env.DB, live.jobId);
      if (row) await this.announce(await newsOf(this.env, row));
    }
  }

  #remember(live: LiveJob): LiveJob {
    this.#live = live;
    this.ctx.storage.kv.put('live', live);
    return live;
  }

  #broadcastSoon(): void {
    const waitMs = this.#lastBroadcastMs + BROADCAST_INTERVAL_MS - Date.now();
    if (waitMs <= 0) this.#broadcastProgress();
    else this.#laterBroadcast ??= setTimeout(() => this.#broadcastProgress(), waitMs);
  }

  #broadcastProgress(): void {
    this.#laterBroadcast = null;
    if (!this.#live || isTerminal(this.#live.state)) return;
    this.#lastBroadcastMs = Date.now();
    this.#broadcast(eventOf(this.#live, 'progress', this.#lastBroadcastMs));
  }

  #broadcast(event: JobEvent): void {
    const text = JSON.stringify(event);
    for (const socket of this.ctx.getWebSockets()) {
      // A socket that is closing has nobody left to read this.
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    }
    for (const stream of this.#streams) this.#write(stream, `data: ${text}\n\n`);
  }

  #end(live: LiveJob): void {
    clearTimeout(this.#laterBroadcast);
    this.#laterBroadcast = null;
    this.#broadcast(eventOf(live, closingType(live.state), Date.now()));
    // A socket costs nothing while it sleeps; an event stream would keep the room awake.
    for (const stream of this.#streams) this.#close(stream);
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Date.now() + FORGET_AFTER_MS));
  }

  #openSocket(caller: string, opening: JobEvent[]): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment({ caller });
    for (const event of opening) server.send(JSON.stringify(event));
    return new Response(null, { status: 101, webSocket: client });
  }

  #openStream(caller: string, opening: JobEvent[]): Response {
    // The platform's own pipe, since it notices when the reader has gone.
    const { readable, writable } = new IdentityTransformStream();
    const stream: EventStream = { caller, writer: writable.getWriter(), unread: 0 };
    this.#streams.add(stream);
    for (const event of opening) this.#write(stream, `data: ${JSON.stringify(event)}\n\n`);
    this.#keepAlive ??= setInterval(() => {
      for (const each of this.#streams) this.#write(each, ': still here\n\n');
    }, KEEP_ALIVE_MS);
    if (this.#live && isTerminal(this.#live.state)) this.#close(stream);
    this.#settle(stream, stream.writer.closed);
    const headers = {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    };
    return new Response(readable, { headers });
  }

  #write(stream: EventStream, text: string): void {
    if (stream.unread >= MAX_UNREAD_EVENTS) {
      this.#settle(stream, stream.writer.abort('unread for too long'));
      return;
    }
    stream.unread += 1;
    const written = stream.writer.write(new TextEncoder().encode(text));
    written.then(
      () => {
        stream.unread -= 1;
      },
      () => this.#drop(stream),
    );
  }

  /** Ends a stream after what has been written to it. */
  #close(stream: EventStream): void {
    this.#settle(stream, stream.writer.close());
    this.#drop(stream);
  }

  /** However the pipe ends, its stream is forgotten. */
  #settle(stream: EventStream, ending: Promise<void>): void {
    const forget = () => this.#drop(stream);
    ending.then(forget, forget);
  }

  #drop(stream: EventStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    clearInterval(this.#keepAlive);
    this.#keepAlive = null;
  }

  #connections(): number {
    return this.ctx.getWebSockets().length + this.#streams.size;
  }

  #connectionsOf(caller: string): number {
    const sockets = this.ctx.getWebSockets().filter((socket) => {
      const attachment = socket.deserializeAttachment() as { caller: string } | null;
      return attachment?.caller === caller && socket.readyState === WebSocket.OPEN;
    });
    return sockets.length + [...this.#streams].filter((stream) => stream.caller === caller).length;
  }

  /** Marks the job as watched, at most once a minute: while the alarm is pending the mark is fresh. */
  async #keepWatched(): Promise<void> {
    const live = this.#live;
    if (!live || isTerminal(live.state) || this.#connections() === 0) return;
    if ((await this.ctx.storage.getAlarm()) !== null) return;
    await this.ctx.storage.setAlarm(Date.now() + WATCHED_INTERVAL_MS);
    await this.env.DB.prepare(
      `UPDATE jobs SET watched_until = unixepoch() + ${WATCHED_SECONDS} WHERE id = ? AND state IN ('queued', 'running')`,
    )
      .bind(live.jobId)
      .run();
  }

  async #forget(): Promise<void> {
    await this.ctx.storage.deleteAll();
    this.#live = undefined;
  }
}
