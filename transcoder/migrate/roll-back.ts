// Takes back what a migration has made: its own videos and nothing else. Sources are left as they are.
import type { MigrationItem } from '../../shared/migration-api.ts';
import type { MigrationClient } from './migration-client.ts';
import { eachOfSome } from './pool.ts';

const AT_ONCE = 4;

/** Items that have a video of this migration's. @param names `movie/123` or keys; none stands for all */
export async function itemsToRollBack(
  client: MigrationClient,
  migrationId: string,
  names: readonly string[],
): Promise<{ items: MigrationItem[]; unknown: string[] }> {
  await client.migration(migrationId);
  // A migrator that died between an import and its report has left a video that the ledger does not know.
  const strays = new Map((await client.strays(migrationId)).map(({ key, videoId }) => [key, videoId]));
  const all = (await client.items(migrationId)).map((item) => {
    const videoId = item.videoId ?? strays.get(item.key);
    return videoId === undefined ? item : { ...item, videoId };
  });
  const namesOf = ({ key, kind, contentId }: MigrationItem) => [key, `${kind}/${contentId ?? ''}`];
  const unknown = names.filter((name) => !all.some((item) => namesOf(item).includes(name)));
  const wanted = all.filter(
    (item) => names.length === 0 || names.some((name) => namesOf(item).includes(name)),
  );
  return { items: wanted.filter(({ videoId }) => videoId !== undefined), unknown };
}

/** The video first: an item that says it was rolled back never leaves one behind. */
export async function rollBack(
  client: MigrationClient,
  migrationId: string,
  items: readonly MigrationItem[],
  onDone: (item: MigrationItem) => void,
): Promise<void> {
  await eachOfSome(items, AT_ONCE, async (item) => {
    await client.removeVideo(item.videoId!);
    await client.report(migrationId, item.key, { state: 'rolled_back' });
    onDone(item);
  });
}
