// What every host of the older API's routes does, the Worker as well as the ingest mode.
import { describe, expect, it } from 'vitest';
import { MIB } from '../../shared/limits.ts';
import {
  clipBytes,
  type Form,
  type FormPart,
  formOf,
  freshId,
  joined,
  text,
  uploadForm,
} from './legacy-form.ts';
import { sha256Of } from './sha256.ts';

export type LegacyClient = {
  /** At the host under test, with a credential of an owner that has nothing yet unless headers bring another. */
  request(
    method: string,
    path: string,
    more?: { body?: Uint8Array<ArrayBuffer>; headers?: Record<string, string> },
  ): Promise<Response>;
  /** At the Worker. */
  api(path: string): Promise<Response>;
};

const UPLOAD = '/api/v1/video/upload-hls-video';
const CONVERT = '/api/v1/video/convert-existing-video';
const PART_BYTES = 8 * MIB;
const CLIP = clipBytes(100_000);

export function legacyContract(host: string, newClient: () => Promise<LegacyClient>): void {
  const send = (client: LegacyClient, form: Form, headers: Record<string, string> = {}) =>
    client.request('POST', UPLOAD, { body: form.body, headers: { ...form.headers, ...headers } });

  describe(`an upload by form at ${host}`, () => {
    it.each([
      ['one part', 100_000, false],
      ['one part', 100_000, true],
      ['exactly one part', PART_BYTES, true],
      ['more than one part', PART_BYTES + 1, false],
      ['more than one part', PART_BYTES + 70_000, true],
    ])(
      'stores the very bytes of a file of %s (%i bytes, fields first: %s)',
      async (_what, sizeBytes, fieldsFirst) => {
        const bytes = clipBytes(sizeBytes);
        const client = await newClient();
        const contentId = freshId();
        const answer = await accepted(await send(client, uploadForm(bytes, contentId, { fieldsFirst })));
        const video = await videoOf(client, answer.job_id);
        expect(video).toMatchObject({ kind: 'movie', contentId, visibility: 'public', title: 'clip' });
        const source = await client.api(`/v1/videos/${video.id}/source`);
        expect(await sha256Of(await source.arrayBuffer())).toBe(await sha256Of(bytes));
      },
    );

    it('tells how the job stands without a credential, with the number as a number', async () => {
      const client = await newClient();
      const contentId = freshId();
      const answer = await accepted(await send(client, uploadForm(CLIP, contentId, { type: 'episode' })));
      const status = await client.request('GET', answer.status_endpoint, { headers: { Authorization: '' } });
      expect(status.status).toBe(200);
      const told = (await status.json()) as { status: string };
      expect(told).toEqual({
        status: expect.stringMatching(/^(queued|processing|failed)$/),
        progress: expect.any(Number),
        message: expect.stringMatching(/^[A-Z]/),
        content_type: 'episode',
        content_id: Number(contentId),
        // A clip of noise fails as soon as a transcoder has looked at it.
        ...(told.status === 'failed' && { error: expect.any(Object) }),
      });
    });

    it('gives one job to one Idempotency-Key, and refuses it to another form', async () => {
      const client = await newClient();
      const key = { 'Idempotency-Key': crypto.randomUUID() };
      const contentId = freshId();
      const first = await accepted(await send(client, uploadForm(CLIP, contentId), key));
      const again = await send(client, { ...uploadForm(CLIP, contentId) }, key);
      expect(again.headers.get('Idempotency-Replayed')).toBe('true');
      expect((await accepted(again)).job_id).toBe(first.job_id);
      const other = CLIP.slice();
      other[50_000] = ~other[50_000]!;
      expect(await codeOf(await send(client, uploadForm(other, contentId), key))).toBe(
        'idempotency_key_reused',
      );
      const next = await accepted(await send(client, uploadForm(other, contentId)));
      expect(next.job_id).not.toBe(first.job_id);
    });

    it('gives one job to one Idempotency-Key of a form with several parts', async () => {
      const client = await newClient();
      const key = { 'Idempotency-Key': crypto.randomUUID() };
      const bytes = clipBytes(PART_BYTES + 1000);
      const contentId = freshId();
      const first = await accepted(await send(client, uploadForm(bytes, contentId), key));
      const again = await accepted(await send(client, uploadForm(bytes, contentId), key));
      expect(again.job_id).toBe(first.job_id);
      bytes[PART_BYTES + 999] = ~bytes[PART_BYTES + 999]!;
      expect(await codeOf(await send(client, uploadForm(bytes, contentId), key))).toBe(
        'idempotency_key_reused',
      );
    });

    it('asks for a credential', async () => {
      const client = await newClient();
      const form = uploadForm(CLIP, freshId());
      expect(await codeOf(await send(client, form, { Authorization: '' }))).toBe('unauthorized');
      expect(await codeOf(await send(client, form, { Authorization: 'Bearer rk_none' }))).toBe(
        'unauthorized',
      );
    });
  });

  describe(`a wrong form at ${host}`, () => {
    const type = { name: 'content_type', value: 'movie' };
    const id = { name: 'content_id', value: '123' };
    const video = { name: 'video', filename: 'clip.mp4', bytes: CLIP };
    const large = { ...video, bytes: clipBytes(PART_BYTES + 5000) };
    const whole = formOf([video, type, id]);
    const largeBody = formOf([large, type, id]);
    const withId = (value: string) => formOf([video, type, { name: 'content_id', value }]);
    const wrong: [what: string, code: string, form: Form][] = [
      ['another boundary', 'form_malformed', headed(whole, 'multipart/form-data; boundary=other')],
      ['no boundary', 'form_malformed', headed(whole, 'multipart/form-data')],
      ['another type', 'upload_content_type_wrong', headed(whole, 'application/json')],
      ['no bytes', 'form_malformed', { ...whole, body: new Uint8Array(0) }],
      ['a cut-off end', 'form_truncated', cut(whole, 30)],
      ['a cut-off file', 'form_truncated', cut(whole, 60_000)],
      ['a cut-off second part', 'form_truncated', cut(largeBody, 4000)],
      ['no file', 'form_file_missing', formOf([type, id])],
      ['a file that is text', 'form_file_missing', formOf([{ name: 'video', value: 'clip.mp4' }, type, id])],
      ['two files', 'form_file_repeated', formOf([video, video, type, id])],
      ['a second file after several parts', 'form_file_repeated', formOf([large, video, type, id])],
      [
        'a huge field',
        'form_field_too_large',
        formOf([{ ...id, value: '1'.repeat(65 * 1024) }, type, video]),
      ],
      [
        'a huge field after parts',
        'form_field_too_large',
        formOf([large, type, { ...id, value: 'a'.repeat(70_000) }]),
      ],
      ['an unknown field', 'invalid_request', formOf([video, type, id, { name: 'colour', value: 'red' }])],
      ['a field twice', 'invalid_request', formOf([video, type, id, id])],
      ['a field that is a file', 'invalid_request', formOf([{ ...video, name: 'content_id' }, type])],
      ['no content type', 'invalid_request', formOf([video, id])],
      ['no content id', 'invalid_request', formOf([video, type])],
      ['no content id after several parts', 'invalid_request', formOf([large, type])],
      ['another content type', 'invalid_request', formOf([video, { ...type, value: 'video' }, id])],
      ['slashes in the id', 'invalid_request', withId('../../secret')],
      ['an id of 65 characters', 'invalid_request', withId('a'.repeat(65))],
      ['an empty id', 'invalid_request', withId('')],
      ['an empty file', 'upload_empty', formOf([{ ...video, bytes: new Uint8Array(0) }, type, id])],
      [
        'a file that is no video',
        'media_not_video',
        formOf([{ ...video, bytes: text('Dear diary\n'.repeat(99)) }, type, id]),
      ],
      [
        'several parts that are no video',
        'media_not_video',
        formOf([{ ...large, bytes: new Uint8Array(PART_BYTES + 9) }, type, id]),
      ],
      ['a part without a name', 'form_malformed', renamed(whole, 'name="video"', 'nome="video"')],
      [
        'a part in base64',
        'form_malformed',
        renamed(whole, 'Content-Type: video/mp4', 'Content-Transfer-Encoding: base64'),
      ],
    ];

    it.each(wrong)('with %s is refused as %s, and nothing is stored', async (_what, code, form) => {
      const client = await newClient();
      const answer = await send(client, form);
      const problem = (await answer.clone().json()) as Record<string, unknown>;
      expect(await codeOf(answer)).toBe(code);
      expect(problem).toMatchObject({
        success: false,
        message: problem.detail,
        requestId: expect.any(String),
      });
      expect(await (await client.api('/v1/videos')).json()).toEqual({ videos: [] });
    });

    it.each<[string, FormPart[]]>([
      ['curl', [video, type, { ...id, value: 'a'.repeat(64) }]],
      ['a client that sends fields first', [type, { ...id, value: freshId() }, video]],
    ])('has a right twin: what %s sends is taken', async (_who, parts) => {
      await accepted(await send(await newClient(), formOf(parts)));
    });
  });

  describe(`a conversion at ${host}`, () => {
    it('names the keys where no MP4 lies, however the form is encoded', async () => {
      const client = await newClient();
      const id = freshId();
      const multipart = formOf([
        { name: 'content_type', value: 'movie' },
        { name: 'content_id', value: id },
      ]);
      const encoded = {
        body: text(`content_type=movie&content_id=${id}`),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      };
      for (const form of [multipart, encoded]) {
        const answer = await client.request('POST', CONVERT, form);
        expect(((await answer.clone().json()) as { detail: string }).detail).toContain(`videos/${id}.mp4`);
        expect(await codeOf(answer)).toBe('not_found');
      }
    });
  });
}

type Accepted = { success: true; job_id: string; message: string; status_endpoint: string };

async function accepted(answer: Response): Promise<Accepted> {
  const json = (await answer.json()) as Accepted;
  expect(json).toEqual({
    success: true,
    job_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    message: expect.stringMatching(/^[A-Z]/),
    status_endpoint: `/api/v1/video/processing-status/${json.job_id}`,
  });
  expect(answer.status).toBe(200);
  return json;
}

async function videoOf(client: LegacyClient, jobId: string): Promise<{ id: string }> {
  const job = (await (await client.api(`/v1/jobs/${jobId}`)).json()) as { videoId: string };
  return (await (await client.api(`/v1/videos/${job.videoId}`)).json()) as { id: string };
}

async function codeOf(answer: Response): Promise<string> {
  const problem = (await answer.json()) as { code?: string };
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
  return problem.code ?? `status ${answer.status}`;
}

function headed(form: Form, contentType: string): Form {
  return { ...form, headers: { 'Content-Type': contentType } };
}

function cut(form: Form, bytes: number): Form {
  return { ...form, body: form.body.slice(0, -bytes) };
}

function renamed(form: Form, from: string, to: string): Form {
  const end = 400;
  const head = new TextDecoder('latin1').decode(form.body.subarray(0, end)).replace(from, to);
  const bytes = Uint8Array.from(head, (character) => character.charCodeAt(0));
  return { ...form, body: joined([bytes, form.body.subarray(end)]) };
}
