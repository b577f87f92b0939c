// Stores the documents of a generation, leaves before roots: whoever can read the master finds all it names.
import { AppError } from '../../shared/errors.ts';
import { CERTIFICATE, contentTypeOf, DASH_MANIFEST, MASTER_PLAYLIST } from '../../shared/object-keys.ts';
import type { Document, TaskContext } from '../task-context.ts';

/** Everything else comes before these, in this order. */
const LAST = [DASH_MANIFEST, MASTER_PLAYLIST, CERTIFICATE];

/** @throws AppError verification_failed where an earlier attempt stored another text under the same name. */
export async function publishDocuments(
  context: Pick<TaskContext, 'claim' | 'r2'>,
  documents: readonly Document[],
): Promise<void> {
  for (const { name, body } of documents.toSorted((a, b) => LAST.indexOf(a.name) - LAST.indexOf(b.name))) {
    const key = context.claim.job.outputPrefix + name;
    const bytes = new TextEncoder().encode(body);
    const outcome = await context.r2.putOnce(key, bytes, contentTypeOf(name) ?? 'application/octet-stream');
    // The text follows from facts that never change, so a former attempt wrote the same.
    if (outcome === 'exists' && new TextDecoder().decode(await context.r2.get(key)) !== body) {
      throw new AppError('verification_failed', {
        detail: `documents-stable: ${name} is stored with another text.`,
      });
    }
  }
}
