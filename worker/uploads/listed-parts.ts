// Which parts of a presigned upload R2 holds, by its own word: ListParts of the S3 API, which the binding lacks. An
// endpoint that does not offer it, as the local one, is asked once per isolate; the ledger of reported etags then
// has to do.
import { AppError } from '../../shared/errors.ts';
import { expectedPartSizeBytes, R2_MAX_PARTS, SECOND_MS } from '../../shared/limits.ts';
import type { Config } from '../env.ts';
import { storageUnavailable } from '../r2.ts';
import { objectUrl, s3Client } from './presign.ts';
import { isOpen, type PartRow, type UploadRow } from './store.ts';

/** S3 lists this many at most. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html */
const PARTS_PER_PAGE = 1000;
const TIMEOUT_MS = 10 * SECOND_MS;

/** Endpoints that have said so; it will not change while an isolate lives. */
const withoutListing = new Set<string>();

/**
 * @returns undefined where only the ledger can tell: of another method or an ended upload, of one R2 has already put
 * together or given up, and where the endpoint does not offer ListParts
 * @throws AppError `storage_unavailable`
 */
export async function listedParts(config: Config, upload: UploadRow): Promise<PartRow[] | undefined> {
  const { R2_S3_ENDPOINT: endpoint } = config;
  if (upload.method !== 'presigned' || !isOpen(upload) || !endpoint) return undefined;
  if (withoutListing.has(endpoint)) return undefined;
  const parts: PartRow[] = [];
  let marker = 0;
  for (let page = 0; page < R2_MAX_PARTS / PARTS_PER_PAGE; page++) {
    const listing = await pageAfter(config, upload, marker);
    if (listing === 'no listing') withoutListing.add(endpoint);
    if (typeof listing === 'string') return undefined;
    parts.push(...listing.parts);
    if (listing.nextMarker === undefined) break;
    marker = listing.nextMarker;
  }
  // The signature of its URL holds a part to its size; what else lies there is not of this upload.
  return parts.filter(({ number, size_bytes }) => {
    const isNumbered = number >= 1 && number <= upload.part_count;
    return isNumbered && size_bytes === expectedPartSizeBytes(number, upload.size_bytes, upload.part_bytes);
  });
}

type Page = { parts: PartRow[]; nextMarker: number | undefined };

async function pageAfter(
  config: Config,
  upload: UploadRow,
  marker: number,
): Promise<Page | 'no listing' | 'no upload'> {
  const url = objectUrl(config, upload);
  url.searchParams.set('uploadId', upload.r2_upload_id ?? '');
  url.searchParams.set('max-parts', String(PARTS_PER_PAGE));
  if (marker > 0) url.searchParams.set('part-number-marker', String(marker));
  let response: Response;
  let text: string;
  try {
    response = await s3Client(config).fetch(url.href, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (error) {
    throw storageUnavailable(error);
  }
  if (response.ok) return readPage(text);
  const code = textOf(text, 'Code');
  if (response.status === 501 || response.status === 405) return 'no listing';
  // Credentials that may write and not list.
  if (code === 'AccessDenied') return 'no listing';
  if (code === 'NoSuchUpload') return 'no upload';
  throw storageUnavailable(new Error(`ListParts was answered ${response.status} ${code}`));
}

/** The answer is machine-made and flat but for its parts; nothing in it comes from a client. */
function readPage(xml: string): Page {
  const parts = [...xml.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
    number: Number(textOf(part, 'PartNumber')),
    size_bytes: Number(textOf(part, 'Size')),
    etag: (textOf(part, 'ETag') ?? '').replace(/&quot;|&#34;|"/g, ''),
  }));
  const isWhole = parts.every(({ number, size_bytes, etag }) => number > 0 && size_bytes >= 0 && etag !== '');
  if (!isWhole || !xml.includes('ListPartsResult')) {
    throw new AppError('storage_unavailable', {
      detail: 'Storage gave a list of parts that cannot be read.',
    });
  }
  const isTruncated = textOf(xml, 'IsTruncated') === 'true';
  const next = Number(textOf(xml, 'NextPartNumberMarker') ?? parts.at(-1)?.number);
  return { parts, nextMarker: isTruncated && next > 0 ? next : undefined };
}

function textOf(xml: string, tag: string): string | undefined {
  return new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1];
}
