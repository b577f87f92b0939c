// R2's S3 API as far as a presigned upload needs it, for workerd tests: what the Worker fetches from the hosts below
// is answered here, in Node. It knows the parts a test has told it of, and lists them as S3 does.
import { AwsClient } from 'aws4fetch';
import { TEST_BINDINGS } from './test-bindings.ts';

/** Offers ListParts. The endpoint of {@link TEST_BINDINGS} does not, like wrangler's own. */
export const LISTING_ENDPOINT = 'https://listing.s3.test';

type StoredPart = { number: number; sizeBytes: number; etag: string };

/** By the id of the multipart upload. */
const uploads = new Map<string, Map<number, StoredPart>>();
const listings: string[] = [];

export async function answerStorage(request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (url.origin === new URL(TEST_BINDINGS.R2_S3_ENDPOINT).origin) return notImplemented();
  if (url.origin !== LISTING_ENDPOINT) return new Response('There is no such host.', { status: 502 });
  if (url.pathname === '/listings') return Response.json(listings.splice(0));
  const uploadId = url.searchParams.get('uploadId') ?? '';
  if (request.method === 'PUT') return tell(uploadId, url, request);
  if (request.method === 'DELETE')
    return new Response(null, { status: uploads.delete(uploadId) ? 204 : 404 });
  return list(uploadId, url, request);
}

/** A test says what R2 holds: it has put the bytes through the binding, which gave it the etag. */
function tell(uploadId: string, url: URL, { headers }: Request): Response {
  const number = Number(url.searchParams.get('partNumber'));
  const etag = headers.get('X-Etag') ?? '';
  const parts = uploads.get(uploadId) ?? new Map<number, StoredPart>();
  uploads.set(uploadId, parts.set(number, { number, etag, sizeBytes: Number(headers.get('X-Size')) }));
  return new Response(null, { headers: { ETag: `"${etag}"` } });
}

async function list(uploadId: string, url: URL, request: Request): Promise<Response> {
  listings.push(url.search);
  if (!(await isSigned(request))) return failure(403, 'SignatureDoesNotMatch');
  const broken = /^(\d{3}) (\w+)$/.exec(uploadId);
  if (broken) return failure(Number(broken[1]), broken[2] ?? '');
  const parts = uploads.get(uploadId);
  if (!parts) return failure(404, 'NoSuchUpload');
  const marker = Number(url.searchParams.get('part-number-marker') ?? 0);
  // A smaller page than S3's, so that a test need not store a thousand parts.
  const limit = Math.min(2, Number(url.searchParams.get('max-parts')));
  const rest = [...parts.values()]
    .filter(({ number }) => number > marker)
    .sort((a, b) => a.number - b.number);
  const page = rest.slice(0, limit);
  const last = page.at(-1)?.number ?? marker;
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><UploadId>${uploadId}</UploadId>
<PartNumberMarker>${marker}</PartNumberMarker><NextPartNumberMarker>${last}</NextPartNumberMarker>
<MaxParts>${limit}</MaxParts><IsTruncated>${rest.length > page.length}</IsTruncated>
${page.map(partXml).join('\n')}
</ListPartsResult>`;
  return new Response(xml, { headers: { 'Content-Type': 'application/xml' } });
}

function partXml({ number, etag, sizeBytes }: StoredPart): string {
  return `<Part><PartNumber>${number}</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified>
<ETag>&quot;${etag}&quot;</ETag><Size>${sizeBytes}</Size></Part>`;
}

async function isSigned({ url, headers }: Request): Promise<boolean> {
  const client = new AwsClient({
    accessKeyId: TEST_BINDINGS.R2_ACCESS_KEY_ID,
    secretAccessKey: TEST_BINDINGS.R2_SECRET_ACCESS_KEY,
    service: 's3',
    region: 'auto',
  });
  const datetime = headers.get('X-Amz-Date') ?? '';
  const signed = await client.sign(url, { aws: { datetime } });
  return signed.headers.get('Authorization') === headers.get('Authorization');
}

function notImplemented(): Response {
  return failure(501, 'NotImplemented');
}

function failure(status: number, code: string): Response {
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>No.</Message></Error>`;
  return new Response(xml, { status });
}
