// One writer at a time, whoever comes and however often.
import { abortAllDurableObjects, env } from 'cloudflare:test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MIB, SECOND_MS } from '../../shared/limits.ts';
import { sha256Of } from '../support/sha256.ts';
import { clientOf } from './api-client.ts';
import {
  begin,
  objectOf,
  offsetOf,
  openPatch,
  patch,
  refusalOf,
  rowOf,
  send,
  storedBytes,
  tus,
} from './tus-steps.ts';
import { jobsOf, videoBytes } from './upload-steps.ts';

const RACES = 50;
const CLIENTS = 4;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('four clients at one offset', () => {
  it('are served one at a time, fifty times over, and the bytes are as they should be', async () => {
    const client = await clientOf();
    const chunkBytes = 1000;
    const bytes = videoBytes(RACES * chunkBytes);
    const path = await begin(client, bytes.byteLength);
    for (let race = 0; race < RACES; race++) {
      const offset = race * chunkBytes;
      const chunk = bytes.subarray(offset, offset + chunkBytes);
      const answers = await Promise.all(
        Array.from({ length: CLIENTS }, () => patch(client, path, offset, chunk)),
      );
      const statuses = answers.map((answer) => answer.status).sort();
      expect(statuses[0]).toBe(204);
      for (const status of statuses.slice(1)) expect([409, 423]).toContain(status);
    }
    const { video_id, job_id } = await rowOf(path);
    expect((await jobsOf(String(video_id))).map((job) => job.id)).toEqual([job_id]);
    expect(await sha256Of(await storedBytes(path))).toBe(await sha256Of(bytes));
  });

  it('with different bytes leave those of the one that was let in', async () => {
    const client = await clientOf();
    const variants = Array.from({ length: CLIENTS }, (_, index) => {
      const bytes = videoBytes(100_000);
      bytes.fill(index + 1, 1000);
      return bytes;
    });
    const path = await begin(client, 100_000);
    const answers = await Promise.all(variants.map((bytes) => patch(client, path, 0, bytes)));
    const winner = answers.findIndex((answer) => answer.status === 204);
    expect(answers.filter((answer) => answer.status === 204)).toHaveLength(1);
    expect(await sha256Of(await storedBytes(path))).toBe(await sha256Of(variants[winner]!));
  });

  it('that all ask how it stands at the end hear of one job', async () => {
    const client = await clientOf();
    const bytes = videoBytes(5000);
    const path = await begin(client, bytes.byteLength);
    const sent = patch(client, path, 0, bytes);
    const heads = Array.from({ length: CLIENTS }, () => tus(client, 'HEAD', path));
    const job = (await sent).headers.get('Reelay-Job-Id');
    for (const head of await Promise.all(heads)) {
      expect([null, job]).toContain(head.headers.get('Reelay-Job-Id'));
    }
    expect(await jobsOf(String((await rowOf(path)).video_id))).toHaveLength(1);
  });
});

describe('while one client writes', () => {
  const bytes = videoBytes(3 * MIB);
  const whole = { 'Content-Length': String(bytes.byteLength) };

  it('another is asked to come back, and HEAD tells what is held', async () => {
    const client = await clientOf();
    const path = await begin(client, bytes.byteLength);
    const { writer, answer } = await openPatch(client, path, 0, whole);
    await writer.write(bytes.subarray(0, MIB));
    await vi.waitFor(async () => expect(await offsetOf(client, path)).toBe(MIB), { timeout: 20_000 });
    const second = await patch(client, path, MIB, bytes.subarray(MIB));
    expect([second.status, await refusalOf(second)]).toEqual([423, 'upload_locked']);
    expect(second.headers.get('Retry-After')).toBe('1');
    await writer.write(bytes.subarray(MIB));
    await writer.close();
    expect((await answer).status).toBe(204);
    expect(await sha256Of(await storedBytes(path))).toBe(await sha256Of(bytes));
  });

  it('another takes over once the first has stood still for ten seconds; what came stays', async () => {
    const client = await clientOf();
    const path = await begin(client, bytes.byteLength);
    const { writer, answer } = await openPatch(client, path, 0, whole);
    await writer.write(bytes.subarray(0, MIB + 7));
    await vi.waitFor(async () => expect(await offsetOf(client, path)).toBe(MIB), { timeout: 20_000 });
    const now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => now + 11 * SECOND_MS);
    // What the first one had not filled a row with yet is kept now, and told.
    const taking = await patch(client, path, MIB, bytes.subarray(MIB));
    expect([taking.status, taking.headers.get('Upload-Offset')]).toEqual([409, String(MIB + 7)]);
    expect((await answer).headers.get('Upload-Offset')).toBe(String(MIB + 7));
    await writer.close().catch(() => undefined);
    await send(client, path, MIB + 7, bytes.subarray(MIB + 7));
    expect(await sha256Of(await storedBytes(path))).toBe(await sha256Of(bytes));
  });

  it('its object may die: what a HEAD had told is still there, and the rest is sent again', async () => {
    const client = await clientOf();
    const path = await begin(client, bytes.byteLength);
    const { writer, answer } = await openPatch(client, path, 0, whole);
    answer.catch(() => undefined);
    await writer.write(bytes.subarray(0, 2 * MIB + 7));
    await vi.waitFor(async () => expect(await offsetOf(client, path)).toBe(2 * MIB), { timeout: 20_000 });
    await abortAllDurableObjects();
    writer.abort().catch(() => undefined);
    expect(await objectOf(path).heldBytes()).toBe(2 * MIB);
    await send(client, path, 2 * MIB, bytes.subarray(2 * MIB));
    expect(await sha256Of(await storedBytes(path))).toBe(await sha256Of(bytes));
  });
});

describe('an upload that ends and one that is completed at the same moment', () => {
  it('has one outcome', async () => {
    for (let race = 0; race < 10; race++) {
      const client = await clientOf();
      const bytes = videoBytes(2000);
      const path = await begin(client, bytes.byteLength);
      await send(client, path, 0, bytes.subarray(0, 1000));
      const [sent, ended] = await Promise.all([
        patch(client, path, 1000, bytes.subarray(1000)),
        tus(client, 'DELETE', path),
      ]);
      const { state, video_id, object_key } = await rowOf(path);
      const jobs = await jobsOf(String(video_id));
      if (sent.status === 204) {
        expect([state, ended.status, jobs.length]).toEqual(['accepted', 409, 1]);
        expect(await env.MEDIA.head(String(object_key))).not.toBeNull();
      } else {
        expect([state, ended.status, jobs.length]).toEqual(['aborted', 204, 0]);
        expect(await env.MEDIA.head(String(object_key))).toBeNull();
      }
    }
  });
});
