// A member's message, bounded in size and rate and of the one schema; what is not gets an error with a code.
import { AppError } from '../../shared/errors.ts';
import { MAX_ROOM_MESSAGE_CHARS, RoomCommand } from '../../shared/room-api.ts';
import type { RoomState } from '../../shared/room-state.ts';
import { parseJson, validated } from '../http/body.ts';
import { CLOSE_TOO_BIG, CLOSE_UNSUPPORTED, closeFor } from './close-code.ts';
import { amend, answer, attachmentOf, MESSAGE_RATE, STRIKE_RATE } from './member-socket.ts';
import { taken } from './token-bucket.ts';

/** @returns `leave` where the connection is at its end, undefined where the message was refused. */
export function readMessage(
  socket: WebSocket,
  message: string | ArrayBuffer,
  nowMs: number,
  state: RoomState,
): RoomCommand | 'leave' | undefined {
  if (typeof message !== 'string') {
    socket.close(CLOSE_UNSUPPORTED, 'messages are text');
    return 'leave';
  }
  if (message.length > MAX_ROOM_MESSAGE_CHARS) {
    socket.close(CLOSE_TOO_BIG, `messages have at most ${MAX_ROOM_MESSAGE_CHARS} characters`);
    return 'leave';
  }
  const { messages, sent, seen } = attachmentOf(socket);
  const left = taken(messages, MESSAGE_RATE, nowMs);
  amend(socket, { heardMs: nowMs, ...(left && { messages: left }) });
  if (!left) return refuse(socket, new AppError('rate_limited'), state, nowMs);
  try {
    const command = validated(RoomCommand, parseJson(message, 'message'));
    // What was not sent cannot have been seen.
    amend(socket, { seen: Math.min(sent, Math.max(seen, command.seen ?? 0)) });
    return command;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return refuse(socket, error, state, nowMs);
  }
}

/** Tells what was wrong; too much of that ends the connection. */
export function refuse(
  socket: WebSocket,
  error: AppError,
  state: RoomState,
  nowMs: number,
  id?: number,
): 'leave' | undefined {
  const { code, detail } = error;
  const isStale = code === 'room_revision_stale';
  answer(socket, { type: 'error', code, detail, ...(id !== undefined && { id }), ...(isStale && { state }) });
  // Who was merely overtaken has done nothing wrong.
  if (isStale) return undefined;
  const strikes = taken(attachmentOf(socket).strikes, STRIKE_RATE, nowMs);
  if (strikes) {
    amend(socket, { strikes });
    return undefined;
  }
  closeFor(socket, error);
  return 'leave';
}
