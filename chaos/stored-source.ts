// What became of an upload, as the API tells it: its state, and the very bytes that were kept.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UploadStatus } from '../shared/api.ts';
import { ApiFailure, createApiClient } from '../transcoder/cli/api-client.ts';
import type { ChaosStack } from './chaos-stack.ts';

/** @returns hex, of GET /v1/videos/:id/source */
export async function sha256OfSource(stack: ChaosStack, videoId: string): Promise<string> {
  const headers = { authorization: `Bearer ${stack.token}` };
  const response = await fetch(new URL(`/v1/videos/${videoId}/source`, stack.url), { headers });
  if (!response.ok || !response.body) throw new Error(`the source of ${videoId}: ${response.status}`);
  const hash = createHash('sha256');
  for await (const chunk of response.body) hash.update(chunk);
  return hash.digest('hex');
}

const SETTLE_MS = 150_000;

/** `gone` once the sweeper has removed the row as well. */
export type UploadFate = UploadStatus['state'] | 'gone';

/** Waits for the sweeper to finish what a killed request left. */
export async function settledUpload(
  stack: ChaosStack,
  uploadId: string,
  isSettled: (state: UploadFate) => boolean,
): Promise<{ state: UploadFate; videoId: string }> {
  const client = createApiClient(stack.url, stack.token);
  const deadlineMs = Date.now() + SETTLE_MS;
  for (;;) {
    const status = await client.upload(uploadId).catch((error: unknown) => {
      if (error instanceof ApiFailure && error.code === 'not_found')
        return { state: 'gone' as const, videoId: '' };
      throw error;
    });
    if (isSettled(status.state)) return status;
    if (Date.now() > deadlineMs) throw new Error(`upload ${uploadId} is still ${status.state}`);
    await sleep(250);
  }
}
