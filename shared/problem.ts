// RFC 9457 problems as every failure of the API is told.
import { z } from 'zod';
import { ERRORS, type ErrorCode } from './errors.ts';

/** Some codes bring particulars beside these. */
export const Problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  /** A sentence for a person. */
  detail: z.string(),
  requestId: z.string(),
});
export type Problem = z.infer<typeof Problem>;
