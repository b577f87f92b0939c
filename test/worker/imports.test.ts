import { beforeEach, describe, expect, it } from 'vitest';
import type { AcceptedJob } from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import { configOf } from '../../worker/env.ts';
import { beginImport } from '../../worker/uploads/begin-import.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { purgeDeleted } from '../../worker/videos/delete.ts';
import { sha256Of } from '../support/sha256.ts';
import {
  begin,
  importAtWork,
  jobOf,
  partCount,
  sendParts,
  URL_OF_FILM,
  uploadRow,
  videoOf,
} from './import-steps.ts';
import {
  claim,
  clearTasks,
  env,
  finishTask,
  internal,
  jobRow,
  lapse,
  log,
  mustClaim,
  PRESENTATION,
  passBackoff,
  planOf,
  refusalOf,
  taskRow,
  told,
} from './ledger-fixtures.ts';
import { jobsOf, storedKeys, videoBytes } from './upload-steps.ts';

const SIZE_BYTES = 2 * 8 * MIB + 12_345;
const BYTES = videoBytes(SIZE_BYTES);
const FILE = { validator: '"one"', sizeBytes: SIZE_BYTES };

beforeEach(clearTasks);

describe('an import', () => {
  it('ends as one job on exactly the bytes that were stored, and goes on to ready', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    expect(target.partSizeBytes).toBe(8 * MIB);
    await sendParts(work.held, target, BYTES);
    await told('imported', work.held.jobToken, { sizeBytes: SIZE_BYTES });

    const [job, ...others] = await jobsOf(work.videoId);
    expect(others).toEqual([]);
    expect(job?.id).toBe(work.jobId);
    const [key] = await storedKeys(`sources/${work.videoId}/`);
    const stored = await env.MEDIA.get(key!);
    expect(stored?.etag).toBe(job?.source_etag);
    expect(await sha256Of(await stored!.arrayBuffer())).toBe(await sha256Of(BYTES));
    expect(await videoOf(work)).toMatchObject({
      state: 'processing',
      job: { stage: 'planning', progress: 20, tasks: { done: 1, total: 2 } },
    });
    expect(await uploadRow(work)).toMatchObject({ state: 'accepted', size_bytes: SIZE_BYTES });
    const row = await env.DB.prepare('SELECT url FROM imports WHERE job_id = ?').bind(work.jobId).first();
    expect(row).toEqual({ url: null });

    const plan = await mustClaim();
    expect(plan).toMatchObject({
      task: { kind: 'plan', jobId: work.jobId },
      job: { source: { key, etag: stored?.etag, sizeBytes: SIZE_BYTES } },
    });
    expect(plan.job.import).toBeUndefined();
    await told('plan', plan.jobToken, { summary: planOf([1], 0) });
    await finishTask(await mustClaim(), 1);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
    expect(await videoOf(work)).toMatchObject({ state: 'ready', job: { progress: 100 } });
  });

  it('tells its progress in bytes, durable or under way', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES, 1, 1);
    expect((await jobOf(work)).progress).toBeCloseTo((20 * 8 * MIB) / SIZE_BYTES, 1);
    await told('progress', work.held.jobToken, { bytesDone: 12 * MIB });
    await expect
      .poll(async () => (await jobOf(work)).progress, { timeout: 20_000 })
      .toBeCloseTo((20 * 12 * MIB) / SIZE_BYTES, 1);
  });

  it('whose last answers got lost ends once', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES);
    const last = await env.DB.prepare('SELECT etag FROM upload_parts WHERE number = 3 AND upload_id = ?')
      .bind((await uploadRow(work)).id)
      .first<{ etag: string }>();
    const part = { etag: last!.etag, sizeBytes: 12_345 };
    await told('commit', work.held.jobToken, { mark: 3, part });
    for (let time = 0; time < 3; time++) {
      await told('imported', work.held.jobToken, { sizeBytes: SIZE_BYTES });
    }
    expect(await jobsOf(work.videoId)).toHaveLength(1);
    expect(await taskRow(work.jobId, 'plan')).toMatchObject({ state: 'ready' });
  });

  it('whose object was assembled by an attempt that then died is settled by the next', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES);
    const { results } = await env.DB.prepare(
      'SELECT number AS partNumber, etag FROM upload_parts WHERE upload_id = ? ORDER BY number',
    )
      .bind((await uploadRow(work)).id)
      .all<{ partNumber: number; etag: string }>();
    await env.MEDIA.resumeMultipartUpload(work.held.job.source.key, target.r2UploadId).complete(results);
    await lapse(work.held);
    const next = await mustClaim('worker-b');
    expect(next.job.import?.begun).toEqual({ ...target, ...FILE });
    expect(next.task.mark).toBe(3);
    await told('imported', next.jobToken, { sizeBytes: SIZE_BYTES });
    expect(await videoOf(work)).toMatchObject({ state: 'processing' });
    expect(await refusalOf(internal('imported', work.held.jobToken, { sizeBytes: SIZE_BYTES }))).toBe(
      'lease_lost',
    );
  });

  it('is carried on by another transcoder after the parts that are durable', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES, 1, 2);
    await lapse(work.held);
    const next = await mustClaim('worker-b');
    expect(next).toMatchObject({
      task: { mark: 2, epoch: 2 },
      job: { import: { begun: { ...target, ...FILE } } },
    });
    const late = { mark: 3, part: { etag: 'x', sizeBytes: 1 } };
    expect(await refusalOf(internal('commit', work.held.jobToken, late))).toBe('lease_lost');
    expect(await refusalOf(internal('import/begin', work.held.jobToken, FILE))).toBe('lease_lost');
    await sendParts(next, target, BYTES, 3);
    await told('imported', next.jobToken, { sizeBytes: SIZE_BYTES });
    const [key] = await storedKeys(`sources/${work.videoId}/`);
    const stored = await env.MEDIA.get(key!);
    expect(await sha256Of(await stored!.arrayBuffer())).toBe(await sha256Of(BYTES));
  });

  it('that is begun again gives up what was stored of it', async () => {
    const work = await importAtWork();
    const first = await begin(work.held, FILE);
    await sendParts(work.held, first, BYTES, 1, 2);
    const second = await begin(work.held, { validator: '"two"', sizeBytes: 9 * MIB });
    expect(second.r2UploadId).not.toBe(first.r2UploadId);
    expect(await partCount(work)).toBe(0);
    const old = env.MEDIA.resumeMultipartUpload(work.held.job.source.key, first.r2UploadId);
    await expect(old.uploadPart(3, BYTES.subarray(0, 100))).rejects.toThrow(/10024/);
    const part = { etag: 'x', sizeBytes: 1 };
    expect(await refusalOf(internal('commit', work.held.jobToken, { mark: 3, part }))).toBe(
      'commit_out_of_order',
    );
    await sendParts(work.held, second, BYTES.slice(0, 9 * MIB));
    await told('imported', work.held.jobToken, { sizeBytes: 9 * MIB });
    expect(await jobRow({ ...work, ownerId: '' })).toMatchObject({ source_bytes: 9 * MIB });
  });

  it('of a length that was not known takes large parts and gets its size at the end', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, {});
    expect(target.partSizeBytes).toBe(93 * MIB);
    await sendParts(work.held, target, BYTES);
    await told('imported', work.held.jobToken, { sizeBytes: SIZE_BYTES });
    expect(await uploadRow(work)).toMatchObject({ state: 'accepted', size_bytes: SIZE_BYTES });
  });

  it('cannot end with parts that do not add up', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES, 1, 2);
    const ending = internal('imported', work.held.jobToken, { sizeBytes: SIZE_BYTES });
    expect(await refusalOf(ending)).toBe('commit_out_of_order');
    await sendParts(work.held, target, BYTES, 3);
    await told('imported', work.held.jobToken, { sizeBytes: SIZE_BYTES });
  });

  it('cannot be spoken of by the holder of another kind of task', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES);
    await told('imported', work.held.jobToken, { sizeBytes: SIZE_BYTES });
    const plan = await mustClaim();
    expect(await refusalOf(internal('import/begin', plan.jobToken, FILE))).toBe('lease_lost');
    expect(await refusalOf(internal('imported', plan.jobToken, { sizeBytes: 1 }))).toBe('lease_lost');
  });
});

describe('an import that fails', () => {
  it('fails its job by name, and nothing of it stays after the sweep', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES, 1, 1);
    const detail = 'The server answered with status 404.';
    await told('fail', work.held.jobToken, { code: 'import_refused_by_server', kind: 'media', detail });
    expect(await videoOf(work)).toMatchObject({
      state: 'failed',
      error: { code: 'import_refused_by_server', detail },
      job: { state: 'failed' },
    });
    await expireUploads(env, log);
    const multipart = env.MEDIA.resumeMultipartUpload(work.held.job.source.key, target.r2UploadId);
    await expect(multipart.uploadPart(2, BYTES.subarray(0, 100))).rejects.toThrow(/10024/);
    expect(await uploadRow(work)).toMatchObject({ state: 'rejected', has_leftovers: 0 });
  });

  it('may be retried, and then fetches anew', async () => {
    const work = await importAtWork();
    await begin(work.held, FILE);
    const failure = { code: 'import_unreachable', kind: 'media', detail: 'Gone.' };
    await told('fail', work.held.jobToken, failure);
    const again = await work.client.json<AcceptedJob>(202, 'POST', `/v1/jobs/${work.jobId}/retry`);
    const held = await mustClaim();
    expect(held).toMatchObject({
      task: { jobId: again.jobId, kind: 'import' },
      job: { import: { url: URL_OF_FILM } },
    });
    expect(held.job.source.key).not.toBe(work.held.job.source.key);
    expect(held.job.import?.begun).toBeUndefined();
    expect(await videoOf(work)).toMatchObject({ state: 'uploading' });
    const busy = work.client.code('POST', `/v1/jobs/${work.jobId}/retry`);
    expect(await busy).toBe('video_busy');
    await sendParts(held, await begin(held, FILE), BYTES);
    await told('imported', held.jobToken, { sizeBytes: SIZE_BYTES });
    expect(await videoOf(work)).toMatchObject({ state: 'processing', job: { id: again.jobId } });
  });

  it('is a verdict where the file is no video, and the bytes go', async () => {
    const work = await importAtWork();
    const text = Uint8Array.from(
      new TextEncoder().encode('Dear diary, today I filmed nothing.\n'.repeat(100)),
    );
    const target = await begin(work.held, { sizeBytes: text.length });
    await sendParts(work.held, target, text);
    await told('imported', work.held.jobToken, { sizeBytes: text.length });
    expect(await videoOf(work)).toMatchObject({ state: 'failed', error: { code: 'media_not_video' } });
    expect(await storedKeys(`sources/${work.videoId}/`)).toEqual([]);
    await passBackoff();
    expect(await claim()).toBeUndefined();
  });

  it('when it is cancelled leaves nothing after the sweep, and tells its transcoder', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES, 1, 2);
    await work.client.json(200, 'POST', `/v1/jobs/${work.jobId}/cancel`);
    expect(await refusalOf(internal('heartbeat', work.held.jobToken))).toBe('lease_lost');
    expect(await refusalOf(internal('import/begin', work.held.jobToken, FILE))).toBe('lease_lost');
    await expireUploads(env, log);
    const multipart = env.MEDIA.resumeMultipartUpload(work.held.job.source.key, target.r2UploadId);
    await expect(multipart.uploadPart(3, BYTES.subarray(0, 100))).rejects.toThrow(/10024/);
  });

  it('when its video is deleted leaves neither parts nor rows', async () => {
    const work = await importAtWork();
    const target = await begin(work.held, FILE);
    await sendParts(work.held, target, BYTES, 1, 2);
    await work.client.json(204, 'DELETE', `/v1/videos/${work.videoId}`);
    await env.DB.prepare('UPDATE jobs SET finished_at = 1 WHERE id = ?').bind(work.jobId).run();
    await purgeDeleted(env, log);
    const multipart = env.MEDIA.resumeMultipartUpload(work.held.job.source.key, target.r2UploadId);
    await expect(multipart.uploadPart(3, BYTES.subarray(0, 100))).rejects.toThrow(/10024/);
    for (const table of ['uploads', 'jobs', 'videos']) {
      const column = table === 'videos' ? 'id' : 'video_id';
      const row = await env.DB.prepare(`SELECT 1 FROM ${table} WHERE ${column} = ?`)
        .bind(work.videoId)
        .first();
      expect(row, table).toBeNull();
    }
    expect(
      await env.DB.prepare('SELECT 1 FROM imports WHERE job_id = ?').bind(work.jobId).first(),
    ).toBeNull();
  });
});

describe('a limit', () => {
  const heldOf = ({ task }: Awaited<ReturnType<typeof mustClaim>>) => ({
    jobId: task.jobId,
    task: task.name,
    epoch: task.epoch,
  });

  it('on the size of imports holds when the size is told, and to the byte', async () => {
    const { held } = await importAtWork();
    const config = { ...configOf(env), IMPORT_MAX_BYTES: SIZE_BYTES };
    const over = { ...FILE, sizeBytes: SIZE_BYTES + 1 };
    await expect(beginImport(env, config, heldOf(held), over)).rejects.toMatchObject({
      code: 'import_too_large',
    });
    await expect(beginImport(env, config, heldOf(held), FILE)).resolves.toMatchObject({
      partSizeBytes: 8 * MIB,
    });
  });

  it('on an owner’s storage holds when the size is told, and what is refused takes none', async () => {
    const { held, videoId } = await importAtWork();
    const config = { ...configOf(env), MAX_STORAGE_BYTES: SIZE_BYTES - 1 };
    await expect(beginImport(env, config, heldOf(held), FILE)).rejects.toMatchObject({
      code: 'quota_exceeded',
    });
    expect(await uploadRow({ videoId })).toMatchObject({ size_bytes: 0 });
    const enough = { ...config, MAX_STORAGE_BYTES: SIZE_BYTES };
    await beginImport(env, enough, heldOf(held), FILE);
    // The same file again takes no more room.
    await beginImport(env, enough, heldOf(held), FILE);
    expect(await uploadRow({ videoId })).toMatchObject({ size_bytes: SIZE_BYTES });
  });
});

describe('the upload behind an import', () => {
  it('is no client’s to see, to fill or to end', async () => {
    const work = await importAtWork();
    const { id } = await uploadRow(work);
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['PUT', '/content'],
      ['PUT', '/parts/1'],
      ['POST', '/complete'],
    ] as const) {
      expect(await work.client.code(method, `/v1/uploads/${id}${path}`), path).toBe('not_found');
    }
  });
});
