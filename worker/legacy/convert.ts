// convert-existing-video: an MP4 that is already there becomes the source of a title, by way of an import.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { type LegacyTitle, MAX_FIELD_BYTES, requireNewField, titleIn } from '../../shared/legacy-api.ts';
import { receiveFields } from '../../shared/legacy-form.ts';
import { readBytes } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { jobOf } from '../jobs/store.ts';
import { createImport } from '../uploads/create-import.ts';
import { withForm } from './incoming-form.ts';
import { RequestKey } from './request-key.ts';
import { findSource } from './sources.ts';

export type Converted = { jobId: string; isReplayed: boolean };

export async function convertExisting(c: Context<AppEnv>): Promise<Converted> {
  const title = titleIn(await fieldsOf(c));
  const key = await RequestKey.take(c, title);
  try {
    if (key?.isRepeated && (await jobOf(c.env.DB, key.resourceId, c.var.caller.ownerId))) {
      await key.settle(200);
      return { jobId: key.resourceId, isReplayed: true };
    }
    const jobId = await startImport(c, title, key?.resourceId);
    await key?.settle(200);
    return { jobId, isReplayed: false };
  } catch (error) {
    await key?.settle(error instanceof AppError ? error.status : 500);
    throw error;
  }
}

async function startImport(c: Context<AppEnv>, title: LegacyTitle, jobId?: string): Promise<string> {
  const { config, caller, log } = c.var;
  const source = await findSource(c.env, config, caller, title);
  const video = { ...title, title: `${title.kind} ${title.contentId}`, visibility: config.LEGACY_VISIBILITY };
  // An admin has registered the key or configured its template: naming it is not the caller's doing.
  const asAdmin = { ...caller, role: 'admin' as const };
  const created = await createImport(c.env, config, asAdmin, { ...source, video }, jobId);
  log.info('import.created', { ...created });
  return created.jobId;
}

/** curl sends multipart with -F and a URL-encoded form with -d; both are forms. */
async function fieldsOf(c: Context<AppEnv>): Promise<ReadonlyMap<string, string>> {
  const isEncoded = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(c.req.header('Content-Type') ?? '');
  if (!isEncoded) return withForm(c, receiveFields);
  const fields = new Map<string, string>();
  const text = new TextDecoder().decode(await readBytes(c.req.raw, 4 * MAX_FIELD_BYTES));
  for (const [name, value] of new URLSearchParams(text)) {
    requireNewField(fields, name);
    fields.set(name, value);
  }
  return fields;
}
