// What went wrong between a form and the API, in the API's own words.
import { AppError, isErrorCode } from '../../shared/errors.ts';
import { ApiFailure, ConnectionStalled } from '../cli/api-client.ts';

export type Answer = { status: number; headers: Record<string, string>; body: string | Uint8Array };

export function answerOfFailure(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof ApiFailure && isErrorCode(error.code)) {
    const { code, detail, retryAfterSeconds } = error;
    return new AppError(code, { detail, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) });
  }
  const isUnreachable =
    error instanceof ApiFailure || error instanceof ConnectionStalled || error instanceof TypeError;
  if (!isUnreachable) return new AppError('internal', { cause: error });
  return new AppError('storage_unavailable', {
    detail: 'The API did not answer; send the form again.',
    cause: error,
    retryAfterSeconds: 5,
  });
}
