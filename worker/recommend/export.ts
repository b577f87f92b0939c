// The export a model is trained from: NDJSON in R2, a part per call, so that no request reads a whole history.
import { recommendExportKey } from '../../shared/object-keys.ts';
import type { ExportAnswer } from '../../shared/recommend-api.ts';
import { type ExportRow, MAX_WEIGHT, MIN_WEIGHT } from '../../shared/recommend-model.ts';
import { withR2Retries } from '../r2.ts';
import { type HeldRun, heldRun, type RunRow } from './run-store.ts';

/** About 1.2 MB of text. */
export const ROWS_PER_PART = 10_000;

type HistoryRow = { viewer: string; video: string; weight: number; at: number };

/** @throws AppError `lease_lost` */
export async function exportPart(
  db: D1Database,
  bucket: R2Bucket,
  held: HeldRun,
  rowsPerPart = ROWS_PER_PART,
): Promise<ExportAnswer> {
  const run = await heldRun(db, held);
  if (run.is_exported) return answerOf(run);
  const rows = await historyAfter(db, run, rowsPerPart);
  const last = rows.at(-1);
  const { lines, viewers } = numbered(rows, run);
  // Written before the cursor moves: a call that is lost in between writes the same part again.
  if (last) {
    const key = recommendExportKey(run.id, run.parts);
    const options = { httpMetadata: { contentType: 'application/x-ndjson' } };
    await withR2Retries(() => bucket.put(key, lines, options));
  }
  const moved = await db
    .prepare(
      `UPDATE recommend_runs SET parts = parts + ?, export_rows = export_rows + ?, export_viewers = ?,
         cursor_viewer = ?, cursor_video = ?, is_exported = ?
       WHERE id = ? AND epoch = ? AND state = 'running' AND parts = ? AND cursor_viewer = ? AND cursor_video = ?
       RETURNING *`,
    )
    .bind(
      last ? 1 : 0,
      rows.length,
      viewers,
      last?.viewer ?? run.cursor_viewer,
      last?.video ?? run.cursor_video,
      rows.length < rowsPerPart ? 1 : 0,
      held.runId,
      held.epoch,
      run.parts,
      run.cursor_viewer,
      run.cursor_video,
    )
    .first<RunRow>();
  // Another call was first, or the viewer at the cursor is gone: what stands now is the answer.
  return answerOf(moved ?? (await heldRun(db, held)));
}

function answerOf({ parts, export_rows, is_exported }: RunRow): ExportAnswer {
  return { parts, rows: export_rows, isDone: is_exported === 1 };
}

async function historyAfter(
  db: D1Database,
  { owner_id, cursor_viewer, cursor_video }: RunRow,
  limit: number,
): Promise<HistoryRow[]> {
  // viewer_id '' is nobody in particular, and the cursor begins there.
  const { results } = await db
    .prepare(
      `SELECT viewer_id AS viewer, video_id AS video, min(${MAX_WEIGHT}, sum(fraction)) AS weight, max(heard_at) AS at
       FROM watch_sessions w INDEXED BY watch_sessions_by_viewer
       WHERE owner_id = ?1 AND viewer_id > '' AND (viewer_id, video_id) > (?2, ?3)
         AND NOT EXISTS (SELECT 1 FROM viewers
                         WHERE owner_id = ?1 AND viewer_id = w.viewer_id AND opted_out = 1)
         AND EXISTS (SELECT 1 FROM videos WHERE id = w.video_id AND owner_id = ?1 AND state <> 'deleting')
       GROUP BY viewer_id, video_id HAVING sum(fraction) >= ${MIN_WEIGHT}
       ORDER BY viewer_id, video_id LIMIT ?4`,
    )
    .bind(owner_id, cursor_viewer, cursor_video, limit)
    .all<HistoryRow>();
  return results;
}

/** The viewer at the cursor has the last number given. */
function numbered(rows: HistoryRow[], run: RunRow): { lines: string; viewers: number } {
  let viewers = run.export_viewers;
  let known = run.cursor_viewer;
  const lines = rows.map(({ viewer, video, weight, at }) => {
    if (viewer !== known) viewers++;
    known = viewer;
    const row: ExportRow = { viewer: viewers - 1, video, weight: Math.round(weight * 1e4) / 1e4, at };
    return `${JSON.stringify(row)}\n`;
  });
  return { lines: lines.join(''), viewers };
}
