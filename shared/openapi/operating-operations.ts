// What operators ask, and the API's description of itself.
import { z } from 'zod';
import { Stats } from '../metrics-api.ts';
import type { OperationTable } from './operation.ts';

export const OPERATING_OPERATIONS = {
  'GET /healthz': {
    summary: 'Whether the configuration is whole and the database answers',
    tag: 'Operation',
    access: 'anyone',
    answers: { 200: z.object({ status: z.literal('ok') }) },
    errors: [],
  },
  'GET /metrics': {
    summary: 'Everything that is counted, for Prometheus',
    about: 'The METRICS_TOKEN of the deployment lets one in as well.',
    tag: 'Operation',
    access: 'admin',
    answers: { 200: { media: 'text/plain', about: 'The text format 0.0.4.' } },
    errors: [],
  },
  'GET /v1/stats': {
    summary: 'The same numbers for people',
    tag: 'Operation',
    access: 'admin',
    answers: { 200: Stats },
    errors: [],
  },
  'GET /openapi.json': {
    summary: 'This document',
    tag: 'Operation',
    access: 'anyone',
    answers: { 200: z.looseObject({ openapi: z.string() }) },
    errors: [],
  },
  'GET /docs': {
    summary: 'This document, for people',
    tag: 'Operation',
    access: 'anyone',
    answers: { 200: { media: 'text/html', about: 'The page.' } },
    errors: [],
  },
} as const satisfies OperationTable;
