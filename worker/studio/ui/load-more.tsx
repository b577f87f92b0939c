import type { Pages } from '../use-pages.ts';
import { Button } from './button.tsx';

export function LoadMore<T>({ pages }: { pages: Pages<T> }) {
  if (!pages.hasMore) return null;
  return (
    <div className="row" style={{ justifyContent: 'center' }}>
      <Button isBusy={pages.isLoadingMore} onClick={() => void pages.loadMore()}>
        Show more
      </Button>
    </div>
  );
}
