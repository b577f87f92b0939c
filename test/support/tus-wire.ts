// One tus request as data, sent the same way to any server, and what of the answer two servers can be compared by.
export type TusRequest = {
  method: string;
  /** Empty for the endpoint itself, else the path of an upload. */
  path: string;
  headers: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
  /** Without a Content-Length. */
  isChunked?: boolean;
};

export type TusAnswer = {
  status: number;
  offset: string | null;
  location: string | null;
  length: string | null;
  deferred: string | null;
  metadata: string | null;
};

export type TusServer = { endpoint: string; headers: Record<string, string> };

export async function sendTus(server: TusServer, request: TusRequest): Promise<TusAnswer> {
  const { method, path, headers, body, isChunked } = request;
  const url = path === '' ? server.endpoint : new URL(path, server.endpoint);
  const response = await fetch(url, {
    method,
    headers: { ...server.headers, ...headers },
    body: isChunked && body ? new Blob([body]).stream() : (body ?? null),
    ...(isChunked && { duplex: 'half' }),
  } as RequestInit);
  await response.arrayBuffer();
  const header = (name: string) => response.headers.get(name);
  return {
    status: response.status,
    offset: header('upload-offset'),
    location: header('location'),
    length: header('upload-length'),
    deferred: header('upload-defer-length'),
    metadata: header('upload-metadata'),
  };
}
