// fetch that keeps accounts for a fleet of uploading clients: every byte that left, every byte a 2xx acknowledged,
// and every byte that left again after it had been acknowledged, which should be none.

export type Accounts = { sentBytes: number; acknowledgedBytes: number; resentBytes: number };

export type RequestKind = 'create' | 'bytes' | 'report' | 'complete' | 'abort' | 'other';

export type CountedFetch = {
  fetch: typeof globalThis.fetch;
  accounts: Accounts;
  /** Told as a request begins and as bytes leave. */
  onRequest(listener: (kind: RequestKind) => void): void;
  onBytes(listener: (sentBytes: number) => void): void;
};

export function createCountedFetch(): CountedFetch {
  const accounts: Accounts = { sentBytes: 0, acknowledgedBytes: 0, resentBytes: 0 };
  /** How far each thing that takes bytes has been acknowledged; parts are taken whole, tus up to an offset. */
  const acknowledgedUpTo = new Map<string, number>();
  const requestListeners: ((kind: RequestKind) => void)[] = [];
  const byteListeners: ((sentBytes: number) => void)[] = [];

  const countedFetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    const kind = kindOf(url, init.method ?? 'GET');
    for (const listener of requestListeners) listener(kind);
    if (kind !== 'bytes') return fetch(url, init);

    const target = targetOf(url);
    const isTus = init.method === 'PATCH';
    const start = isTus ? Number(new Headers(init.headers).get('upload-offset')) : 0;
    const alreadyAcknowledged = acknowledgedUpTo.get(target) ?? 0;
    let position = start;
    const body = (init.body as ReadableStream<Uint8Array>).pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          accounts.resentBytes += Math.max(
            0,
            Math.min(alreadyAcknowledged, position + chunk.length) - position,
          );
          position += chunk.length;
          accounts.sentBytes += chunk.length;
          for (const listener of byteListeners) listener(accounts.sentBytes);
          controller.enqueue(chunk);
        },
      }),
    );
    const response = await fetch(url, { ...init, body });
    if (response.ok) {
      const end = isTus ? Number(response.headers.get('upload-offset')) : position;
      accounts.acknowledgedBytes += Math.max(0, end - alreadyAcknowledged);
      acknowledgedUpTo.set(target, Math.max(alreadyAcknowledged, end));
    }
    return response;
  };
  return {
    fetch: countedFetch,
    accounts,
    onRequest: (listener) => void requestListeners.push(listener),
    onBytes: (listener) => void byteListeners.push(listener),
  };
}

function kindOf(url: URL, method: string): RequestKind {
  const { pathname } = url;
  if (url.searchParams.has('partNumber') || method === 'PATCH') return 'bytes';
  if (method === 'PUT') return /\/(content|parts\/\d+)$/.test(pathname) ? 'bytes' : 'report';
  if (method === 'DELETE') return 'abort';
  if (method !== 'POST') return 'other';
  if (pathname.endsWith('/complete')) return 'complete';
  return pathname === '/v1/uploads' || pathname === '/v1/tus' ? 'create' : 'other';
}

/** What the bytes are for, without the signature that changes with every address. */
function targetOf(url: URL): string {
  const part = url.searchParams.get('partNumber');
  return part === null ? url.pathname : `${url.searchParams.get('uploadId')}/${part}`;
}
