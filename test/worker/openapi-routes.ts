// The routes of the app beside the operations of the document.
import type { RouterRoute } from 'hono/types';
import type { OperationKey } from '../../shared/openapi/operation.ts';
import { OPERATIONS } from '../../shared/openapi/operations.ts';

/** What is no part of the public surface, or no request and answer. */
const LEFT_OUT: [pattern: RegExp, why: string][] = [
  [/^\w+ \/internal\//, 'between transcoder and Worker'],
  [/^OPTIONS /, 'preflights of browsers'],
  [/^ALL /, 'middleware, and refusals of other methods'],
];

/** Routes that look at the method themselves, or take paths with slashes. */
const STAND_FOR: Record<string, OperationKey[]> = {
  'ALL /v1/tus': ['POST /v1/tus'],
  'ALL /v1/tus/:id': ['HEAD /v1/tus/{id}', 'PATCH /v1/tus/{id}', 'DELETE /v1/tus/{id}'],
  'GET /p/*': ['GET /p/{token}/{key}'],
  'GET /hls/*': ['GET /hls/{folder}/{id}/{name}'],
};

export function undescribed(routes: readonly RouterRoute[]): string[] {
  return answeredBy(routes).filter(
    (key) => !Object.hasOwn(OPERATIONS, key) && !LEFT_OUT.some(([pattern]) => pattern.test(key)),
  );
}

export function unanswered(routes: readonly RouterRoute[]): string[] {
  const answered = new Set(answeredBy(routes));
  return Object.keys(OPERATIONS).filter((key) => !answered.has(key));
}

function answeredBy(routes: readonly RouterRoute[]): string[] {
  const keys = routes.flatMap(({ method, path }) => {
    return STAND_FOR[`${method} ${path}`] ?? [`${method} ${path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`];
  });
  return [...new Set(keys)];
}
