// A failure as a person is told it. What is not foreseen is thrown on: it is a defect, not an answer.
import { ApiFailure, ConnectionStalled } from './api-client.ts';
import { Interrupted } from './interruption.ts';
import { UploadInterrupted } from './upload-file.ts';

export function failureOf(error: unknown): { code: string; detail: string } {
  if (error instanceof UploadInterrupted) return failureOf(error.cause);
  if (error instanceof ApiFailure) return { code: error.code, detail: error.detail };
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
    return { code: 'file_not_found', detail: 'There is no such file.' };
  }
  if (error instanceof Interrupted) return { code: 'interrupted', detail: 'The command was interrupted.' };
  if (error instanceof ConnectionStalled) return { code: 'connection_failed', detail: error.message };
  // fetch reports every connection failure as a TypeError whose cause has the reason.
  if (error instanceof TypeError) {
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    return { code: 'connection_failed', detail: reason || 'The server could not be reached.' };
  }
  throw error;
}
