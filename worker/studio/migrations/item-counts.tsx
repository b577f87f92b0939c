import type { Migration } from '../../../shared/migration-api.ts';

const ORDER = ['done', 'converting', 'failed', 'rolled_back', 'pending'] as const;
const TEXTS: Record<(typeof ORDER)[number], string> = {
  done: 'done',
  converting: 'converting',
  failed: 'failed',
  rolled_back: 'rolled back',
  pending: 'waiting',
};

/** How many items are in each state, as one bar and in words. */
export function ItemCounts({ items }: { items: Migration['items'] }) {
  const counts = ORDER.map((state) => ({ state, count: items[state] ?? 0 })).filter(({ count }) => count > 0);
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const words = counts.map(({ state, count }) => `${count} ${TEXTS[state]}`).join(', ');
  return (
    <div className="item-counts">
      <div className="item-bar" aria-hidden="true">
        {counts.map(({ state, count }) => (
          <i key={state} data-state={state} style={{ width: `${(100 * count) / total}%` }} />
        ))}
      </div>
      <span className="small quiet numbers">{words || 'no items'}</span>
    </div>
  );
}
