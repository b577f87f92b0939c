// Presigned part URLs: the client puts bytes straight into R2. The signature covers Content-Length, so a part
// of another size is refused by R2 itself.
import { AwsClient } from 'aws4fetch';
import type { PresignedPart } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { expectedPartSizeBytes, PRESIGN_TTL_SECONDS } from '../../shared/limits.ts';
import type { Config } from '../env.ts';
import { requirePartNumber } from './parts.ts';
import type { UploadRow } from './store.ts';

export function isPresignConfigured(config: Config): boolean {
  return Boolean(config.R2_S3_ENDPOINT && config.R2_ACCESS_KEY_ID && config.R2_SECRET_ACCESS_KEY);
}

/** @throws AppError `upload_wrong_method`, `upload_method_unavailable`, `upload_part_number_invalid`. */
export async function presignParts(
  config: Config,
  upload: UploadRow,
  numbers: number[],
): Promise<PresignedPart[]> {
  if (upload.method !== 'presigned' || !upload.r2_upload_id) {
    throw new AppError('upload_wrong_method', { detail: `This upload's method is ${upload.method}.` });
  }
  if (!isPresignConfigured(config)) throw new AppError('upload_method_unavailable');
  const client = s3Client(config);

  return Promise.all(
    numbers.map(async (number) => {
      requirePartNumber(upload, number);
      const url = objectUrl(config, upload);
      url.searchParams.set('partNumber', String(number));
      url.searchParams.set('uploadId', upload.r2_upload_id!);
      url.searchParams.set('X-Amz-Expires', String(PRESIGN_TTL_SECONDS));
      const sizeBytes = expectedPartSizeBytes(number, upload.size_bytes, upload.part_bytes);
      const signed = await client.sign(url, {
        method: 'PUT',
        headers: { 'content-length': String(sizeBytes) },
        // Without allHeaders aws4fetch leaves Content-Length out of the signature.
        aws: { signQuery: true, allHeaders: true },
      });
      // Clients send the right Content-Length of their own accord; browsers forbid setting it.
      return { number, url: signed.url, headers: {} };
    }),
  );
}

/** R2's S3 API, where {@link isPresignConfigured}. */
export function s3Client(config: Config): AwsClient {
  return new AwsClient({
    accessKeyId: config.R2_ACCESS_KEY_ID ?? '',
    secretAccessKey: config.R2_SECRET_ACCESS_KEY ?? '',
    service: 's3',
    region: 'auto',
    retries: 2,
  });
}

export function objectUrl(config: Config, upload: UploadRow): URL {
  const endpoint = config.R2_S3_ENDPOINT?.replace(/\/$/, '') ?? '';
  return new URL(`${endpoint}/${config.R2_BUCKET_NAME}/${upload.object_key}`);
}
