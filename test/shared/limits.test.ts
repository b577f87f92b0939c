import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EDGE_BODY_LIMIT_BYTES,
  EDGE_MULTIPART_MAX_BYTES,
  expectedPartSizeBytes,
  GIB,
  MIB,
  maxSizeBytes,
  R2_MAX_PART_BYTES,
  R2_MAX_PARTS,
  uploadPartSizeBytes,
} from '../../shared/limits.ts';
import { tried } from '../support/properties.ts';

const LARGEST = maxSizeBytes('presigned', EDGE_BODY_LIMIT_BYTES);
const sizes = fc.oneof(
  fc.integer({ min: 1, max: LARGEST }),
  // Around every multiple of 10,000 parts of a whole MiB, where one byte more needs a larger part.
  fc
    .tuple(
      fc.integer({ min: 1, max: Math.floor(LARGEST / R2_MAX_PARTS / MIB) }),
      fc.integer({ min: -2, max: 2 }),
    )
    .map(([mib, off]) => mib * MIB * R2_MAX_PARTS + off),
);

describe('the parts of an upload', () => {
  it('are never more than 10,000, never too large for R2, and add up', () => {
    fc.assert(
      fc.property(sizes, (sizeBytes) => {
        const partBytes = uploadPartSizeBytes(sizeBytes);
        const count = Math.ceil(sizeBytes / partBytes);
        const lastBytes = expectedPartSizeBytes(count, sizeBytes, partBytes);
        expect(count).toBeLessThanOrEqual(R2_MAX_PARTS);
        expect(partBytes).toBeLessThanOrEqual(R2_MAX_PART_BYTES);
        expect(partBytes % MIB).toBe(0);
        expect(lastBytes).toBeGreaterThan(0);
        expect((count - 1) * partBytes + lastBytes).toBe(sizeBytes);
      }),
      tried(2000),
    );
  });

  it('fit into one request body each up to 900 GiB', () => {
    expect(uploadPartSizeBytes(EDGE_MULTIPART_MAX_BYTES)).toBeLessThanOrEqual(EDGE_BODY_LIMIT_BYTES);
    expect(uploadPartSizeBytes(EDGE_MULTIPART_MAX_BYTES + 30 * GIB)).toBeGreaterThan(EDGE_BODY_LIMIT_BYTES);
  });

  it('fit into one request body where that is smaller', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: EDGE_BODY_LIMIT_BYTES }), (bodyLimitBytes) => {
        const sizeBytes = maxSizeBytes('multipart', bodyLimitBytes);
        const largest = expectedPartSizeBytes(1, sizeBytes, uploadPartSizeBytes(sizeBytes));
        expect(largest).toBeLessThanOrEqual(bodyLimitBytes);
      }),
      tried(),
    );
  });
});

describe('the largest file', () => {
  it('is 4.995 TiB presigned, 900 GiB through the edge and one body in a single request', () => {
    expect(LARGEST).toBe(Math.floor(4.995 * 1024 ** 4));
    expect(maxSizeBytes('multipart', EDGE_BODY_LIMIT_BYTES)).toBe(900 * GIB);
    expect(maxSizeBytes('single', EDGE_BODY_LIMIT_BYTES)).toBe(95 * MIB);
    expect(maxSizeBytes('multipart', 16 * MIB)).toBe(160_000 * MIB);
  });
});
