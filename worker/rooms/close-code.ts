// With which code a WebSocket of ours ends.
import { type AppError, ERRORS, type ErrorCode } from '../../shared/errors.ts';

export const CLOSE_NORMAL = 1000;
export const CLOSE_UNSUPPORTED = 1003;
export const CLOSE_TOO_BIG = 1009;
export const CLOSE_INTERNAL = 1011;
const CLOSE_NO_STATUS = 1005;
const CLOSE_ABNORMAL = 1006;

/** 4000 and the status that HTTP has for it: RFC 6455 §7.4.2 leaves those numbers to applications. */
export function closeCodeOf(code: ErrorCode): number {
  return 4000 + ERRORS[code].status;
}

export function closeFor(socket: WebSocket, { code }: AppError): void {
  socket.close(closeCodeOf(code), code);
}

/** RFC 6455 §7.4.1: 1005 and 1006 stand for a code that was not sent, and may not be sent. */
export function answerGoodbye(socket: WebSocket, code: number): void {
  if (code === CLOSE_NO_STATUS || code === CLOSE_ABNORMAL) socket.close();
  else socket.close(code);
}
