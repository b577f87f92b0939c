// What operators ask, and the API's description of itself.
import { z } from 'zod';
import type { OperationTable } from './operation.ts';

export const OPERATING_OPERATIONS = {
  'GET /healthz': {
    summary: 'Whether the configuration is whole and the database answers',
    tag: 'Operation',
    access: 'anyone',
    answers: { 200: z.object({ status: z.literal('ok') }) },
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
