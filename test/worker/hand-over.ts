// One file on its way in, by whatever method: what they all promise can be asked of them in the same words.
import type { CompletedUpload, UploadMethod } from '../../shared/api.ts';
import { type Client, clientOf } from './api-client.ts';
import { begin, importAtWork, sendParts } from './import-steps.ts';
import { clearTasks, told } from './ledger-fixtures.ts';
import { complete, create, sendAll } from './upload-steps.ts';

export type HandOver = {
  client: Client;
  videoId: string;
  send: () => Promise<void>;
  /** Says that all is there; may be said again. */
  end: () => Promise<CompletedUpload>;
};

export async function handOver(
  method: UploadMethod | 'import',
  bytes: Uint8Array<ArrayBuffer>,
): Promise<HandOver> {
  if (method === 'import') return handOverByImport(bytes);
  const client = await clientOf('uploader');
  const created = await create(client, bytes.length, { method });
  return {
    client,
    videoId: created.videoId,
    send: () => sendAll(client, created, bytes),
    end: () => complete(client, created),
  };
}

/** The bytes come from a transcoder. */
async function handOverByImport(bytes: Uint8Array<ArrayBuffer>): Promise<HandOver> {
  await clearTasks();
  const { client, held, videoId, jobId } = await importAtWork();
  const sizeBytes = bytes.length;
  const target = await begin(held, { validator: '"one"', sizeBytes });
  return {
    client,
    videoId,
    send: () => sendParts(held, target, bytes),
    end: async () => {
      await told('imported', held.jobToken, { sizeBytes });
      return { videoId, jobId };
    },
  };
}
