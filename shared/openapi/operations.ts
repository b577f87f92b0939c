// The whole public API.
import { ACCOUNT_OPERATIONS } from './account-operations.ts';
import { AUDIENCE_OPERATIONS } from './audience-operations.ts';
import { LIBRARY_OPERATIONS } from './library-operations.ts';
import { OPERATING_OPERATIONS } from './operating-operations.ts';
import type { Operation, OperationKey, OperationTable } from './operation.ts';
import { PLAYBACK_OPERATIONS } from './playback-operations.ts';
import { ROOM_OPERATIONS } from './room-operations.ts';
import { UPLOAD_OPERATIONS } from './upload-operations.ts';
import { VIDEO_OPERATIONS } from './video-operations.ts';

export const OPERATIONS = {
  ...UPLOAD_OPERATIONS,
  ...VIDEO_OPERATIONS,
  ...PLAYBACK_OPERATIONS,
  ...ROOM_OPERATIONS,
  ...AUDIENCE_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
  ...LIBRARY_OPERATIONS,
  ...OPERATING_OPERATIONS,
} as const satisfies OperationTable;

export function allOperations(): [OperationKey, Operation][] {
  return Object.entries(OPERATIONS) as [OperationKey, Operation][];
}
