// The original needs the token in a header, which no link can send. It goes straight to a file where the browser can
// write one, and through memory where it cannot.
import { ApiFailure } from '../api-client.ts';
import { currentSession } from '../session.ts';

type Picker = (options: { suggestedName: string }) => Promise<{ createWritable(): Promise<WritableStream> }>;

/**
 * @param onPercent is told how far it is
 * @throws ApiFailure
 */
export async function saveOriginal(videoId: string, onPercent: (percent: number) => void): Promise<void> {
  const path = `/v1/videos/${encodeURIComponent(videoId)}/source`;
  const headers = { Authorization: `Bearer ${currentSession()?.token ?? ''}` };
  const head = await fetch(path, { method: 'HEAD', headers });
  if (!head.ok) throw new ApiFailure(head.status, 'not_found', 'The original is no longer stored.', 1);
  const name = nameOf(head.headers.get('Content-Disposition')) ?? videoId;
  const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  let file: WritableStream | undefined;
  try {
    file = picker && (await (await picker({ suggestedName: name })).createWritable());
  } catch {
    return; // thought better of it
  }
  const response = await fetch(path, { headers });
  if (!response.ok || !response.body) {
    throw new ApiFailure(response.status, 'not_found', 'The original is no longer stored.', 1);
  }
  const counted = response.body.pipeThrough(
    counting(Number(response.headers.get('Content-Length')), onPercent),
  );
  if (file) await counted.pipeTo(file);
  else saveBlob(await new Response(counted).blob(), name);
}

export function saveBlob(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function counting(totalBytes: number, onPercent: (percent: number) => void) {
  let doneBytes = 0;
  return new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      doneBytes += chunk.byteLength;
      if (totalBytes > 0) onPercent((100 * doneBytes) / totalBytes);
      controller.enqueue(chunk);
    },
  });
}

/** RFC 8187, as the API writes it. */
function nameOf(disposition: string | null): string | undefined {
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(disposition ?? '')?.[1];
  return encoded && decodeURIComponent(encoded);
}
