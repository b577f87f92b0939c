// Watching, how it went, and what comes next.
import { AnalyticsRange, QoeAnswer, QoeQuery, VideoAnalytics } from '../analytics-api.ts';
import {
  AcceptedRun,
  Recommendations,
  RecommendQuery,
  RecommendRun,
  ViewerPatch,
  ViewerSettings,
} from '../recommend-api.ts';
import { WatchAnswer, WatchRequest } from '../watch-api.ts';
import type { OperationTable } from './operation.ts';

export const AUDIENCE_OPERATIONS = {
  'POST /v1/watch': {
    summary: 'Tell what a session has played',
    about: 'With `token` in the body no Authorization is needed. A wrong event costs none of the others.',
    tag: 'Audience',
    access: 'viewer',
    body: WatchRequest,
    answers: { 202: WatchAnswer },
    errors: ['playback_token_invalid', 'playback_token_expired', 'playback_outside_token', 'not_found'],
  },
  'GET /v1/videos/{id}/analytics': {
    summary: 'Views, watch time, drop-off and quality of experience of a video',
    tag: 'Audience',
    access: 'uploader',
    query: AnalyticsRange,
    answers: { 200: VideoAnalytics },
    errors: [],
  },
  'GET /v1/analytics/qoe': {
    summary: 'Quality of experience of the library, in groups',
    tag: 'Audience',
    access: 'uploader',
    query: QoeQuery,
    answers: { 200: QoeAnswer },
    errors: [],
  },
  'GET /v1/viewers/{id}/recommendations': {
    summary: 'What to watch next, and why',
    tag: 'Audience',
    access: 'viewer',
    query: RecommendQuery,
    answers: { 200: Recommendations },
    errors: [],
  },
  'PATCH /v1/viewers/{id}': {
    summary: 'A viewer who does not want to be learnt from, or does again',
    tag: 'Audience',
    access: 'viewer',
    body: ViewerPatch,
    answers: { 200: ViewerSettings },
    errors: [],
  },
  'DELETE /v1/viewers/{id}': {
    summary: 'Erase everything known of a viewer',
    tag: 'Audience',
    access: 'viewer',
    answers: { 204: null },
    errors: [],
  },
  'POST /v1/recommendations/runs': {
    summary: 'Train a model from the watch history',
    tag: 'Audience',
    access: 'uploader',
    answers: { 202: AcceptedRun },
    errors: ['recommend_in_progress', 'recommend_no_history'],
    isIdempotent: true,
  },
  'GET /v1/recommendations/runs/{id}': {
    summary: 'How a training run goes',
    tag: 'Audience',
    access: 'uploader',
    answers: { 200: RecommendRun },
    errors: [],
  },
} as const satisfies OperationTable;
