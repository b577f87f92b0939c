// The table of pages and the frame around them. Each page is a chunk of its own.
import { type ComponentType, lazy, Suspense } from 'react';
import { type PageProps, useRoute } from './router.ts';
import { useSession } from './session.ts';
import { ErrorBoundary } from './ui/error-boundary.tsx';
import { Shell } from './ui/shell.tsx';

type PageModule = { Page: ComponentType<PageProps> };

function page(load: () => Promise<PageModule>) {
  return lazy(async () => ({ default: (await load()).Page }));
}

/** First match wins; `:id` is one segment. */
const ROUTES = [
  { path: 'library', title: 'Library', page: page(() => import('./library/page.tsx')) },
  { path: 'upload', title: 'Upload', page: page(() => import('./upload/page.tsx')) },
  { path: 'videos/:id', title: 'Video', page: page(() => import('./video/page.tsx')) },
  { path: 'jobs', title: 'Jobs', page: page(() => import('./jobs/page.tsx')) },
  { path: 'jobs/:id', title: 'Job', page: page(() => import('./jobs/job-page.tsx')) },
  { path: 'webhooks', title: 'Webhooks', page: page(() => import('./webhooks/page.tsx')) },
  { path: 'webhooks/:id', title: 'Webhook', page: page(() => import('./webhooks/endpoint-page.tsx')) },
  { path: 'migrations', title: 'Migrations', page: page(() => import('./migrations/page.tsx')) },
  { path: 'migrations/:id', title: 'Migration', page: page(() => import('./migrations/migration-page.tsx')) },
  { path: 'metrics', title: 'Metrics', page: page(() => import('./metrics/page.tsx')) },
  { path: 'rooms', title: 'Rooms', page: page(() => import('./rooms/page.tsx')) },
  { path: 'rooms/:id', title: 'Room', page: page(() => import('./rooms/page.tsx')) },
  { path: 'sign-in', title: 'Sign in', page: page(() => import('./sign-in/page.tsx')) },
];

export function App() {
  const session = useSession();
  const wanted = useRoute(ROUTES);
  const route = session ? wanted : { ...wanted, route: ROUTES.find(({ path }) => path === 'sign-in')! };
  const { page: Page, path, title } = route.route;
  return (
    <Shell session={session} path={path} title={title}>
      <ErrorBoundary key={route.id ? `${path}/${route.id}` : path}>
        <Suspense fallback={<p className="quiet page-wait">One moment …</p>}>
          <Page id={route.id} query={route.query} />
        </Suspense>
      </ErrorBoundary>
    </Shell>
  );
}
