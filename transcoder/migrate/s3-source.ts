// Somebody's bucket behind the S3 API, listed and read: nothing here can write. Transcoders get signed GET URLs.
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { AwsV4Signer } from 'aws4fetch';
import { ApiFailure } from '../cli/api-client.ts';

export type S3Access = {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
};

export type S3Object = { key: string; sizeBytes: number; etag: string };

/** SigV4's longest; a library that waits its turn must still be readable. */
const URL_LIFE_SECONDS = 7 * 24 * 3600;

/** @throws ApiFailure `source_refused`, `source_unreachable` */
export async function* listS3(access: S3Access, bucket: string, prefix: string): AsyncGenerator<S3Object> {
  const { accessKeyId, secretAccessKey, sessionToken } = access;
  const client = new S3Client({
    endpoint: access.endpoint,
    region: access.region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
  });
  try {
    let ContinuationToken: string | undefined;
    do {
      const page = await client
        .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken }))
        .catch(asFailure);
      for (const { Key, Size, ETag } of page.Contents ?? []) {
        if (Key !== undefined && Size !== undefined && ETag) yield { key: Key, sizeBytes: Size, etag: ETag };
      }
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
  } finally {
    client.destroy();
  }
}

/** @param at the time of signing: the same time gives the same URL */
export async function signedGetUrl(
  access: S3Access,
  { bucket, key }: { bucket: string; key: string },
  at: Date,
): Promise<URL> {
  const path = [bucket, ...key.split('/')].map(encodeURIComponent).join('/');
  const url = new URL(`${access.endpoint.replace(/\/+$/, '')}/${path}`);
  url.searchParams.set('X-Amz-Expires', String(URL_LIFE_SECONDS));
  const { endpoint: _, ...credentials } = access;
  const signer = new AwsV4Signer({
    method: 'GET',
    url: url.href,
    ...{ accessKeyId: credentials.accessKeyId, secretAccessKey: credentials.secretAccessKey },
    ...(credentials.sessionToken && { sessionToken: credentials.sessionToken }),
    ...{ service: 's3', region: access.region, signQuery: true },
    datetime: at.toISOString().replace(/[:-]|\.\d{3}/g, ''),
  });
  return (await signer.sign()).url;
}

function asFailure(error: unknown): never {
  const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  if (status === undefined) {
    throw new ApiFailure('source_unreachable', `The storage could not be reached: ${message}`, 503);
  }
  throw new ApiFailure(
    'source_refused',
    `The storage refused to list the bucket: ${name}, ${message}`,
    status,
  );
}
