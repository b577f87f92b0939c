// The one table of every error a client can meet, and the one error class. HTTP renders it as RFC 9457
// problem+json; nothing else decides a failure status.

export type ErrorKind = { status: number; title: string; retry: 'never' | 'later' };

export const ERRORS = {
  // Requests
  invalid_request: { status: 400, title: 'The request is malformed', retry: 'never' },
  unauthorized: { status: 401, title: 'A valid credential is required', retry: 'never' },
  token_expired: { status: 401, title: 'The token has expired', retry: 'never' },
  forbidden: { status: 403, title: 'This credential may not do that', retry: 'never' },
  origin_not_allowed: { status: 403, title: 'This origin may not open a connection', retry: 'never' },
  not_found: { status: 404, title: 'Nothing is here', retry: 'never' },
  method_not_allowed: { status: 405, title: 'This method is not offered here', retry: 'never' },
  idempotency_key_invalid: { status: 400, title: 'The Idempotency-Key is malformed', retry: 'never' },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key belongs to another request',
    retry: 'never',
  },
  idempotency_in_flight: { status: 409, title: 'The same request is still at work', retry: 'later' },
  already_shown: { status: 409, title: 'This answer held a secret and was given once', retry: 'never' },
  rate_limited: { status: 429, title: 'Too many requests', retry: 'later' },
  internal: { status: 500, title: 'Something went wrong on our side', retry: 'later' },
  storage_unavailable: { status: 503, title: 'Storage did not answer', retry: 'later' },
  database_unavailable: { status: 503, title: 'The database did not answer', retry: 'later' },
  identity_unavailable: { status: 503, title: 'The identity provider did not answer', retry: 'later' },

  // Uploads
  content_id_taken: { status: 409, title: 'Another owner holds this content id', retry: 'never' },
  protection_not_available: { status: 422, title: 'This protection is not available here', retry: 'never' },
  upload_method_unavailable: {
    status: 422,
    title: 'This upload method is not available here',
    retry: 'never',
  },
  upload_wrong_method: { status: 409, title: 'The upload was created for another method', retry: 'never' },
  upload_not_open: { status: 409, title: 'The upload no longer takes bytes', retry: 'never' },
  upload_expired: { status: 410, title: 'The upload has expired', retry: 'never' },
  quota_exceeded: { status: 403, title: 'The quota has no room for this', retry: 'never' },
  daily_quota_exceeded: { status: 429, title: 'The quota of the day has no room for this', retry: 'later' },
  upload_too_large: { status: 413, title: 'The file is larger than allowed', retry: 'never' },
  upload_body_too_large: { status: 413, title: 'One request body may not be this large', retry: 'never' },
  upload_empty: { status: 422, title: 'The file is empty', retry: 'never' },
  upload_length_required: { status: 411, title: 'A Content-Length is required', retry: 'never' },
  upload_size_mismatch: {
    status: 422,
    title: 'The bytes do not add up to the declared size',
    retry: 'never',
  },
  upload_part_number_invalid: { status: 422, title: 'There is no such part in this upload', retry: 'never' },
  upload_part_size_mismatch: { status: 422, title: 'The part has the wrong size', retry: 'never' },
  upload_part_in_progress: { status: 409, title: 'Another request is writing this part', retry: 'later' },
  upload_parts_missing: { status: 409, title: 'Not all parts have arrived', retry: 'never' },
  upload_part_etag_mismatch: { status: 422, title: 'A part does not match its etag', retry: 'never' },
  upload_checksum_mismatch: {
    status: 422,
    title: 'The bytes do not match the declared checksum',
    retry: 'never',
  },
  // tus names some of its statuses itself.
  tus_version_unsupported: {
    status: 412,
    title: 'This version of tus is not spoken here',
    retry: 'never',
  },
  upload_metadata_invalid: { status: 400, title: 'The Upload-Metadata is malformed', retry: 'never' },
  upload_content_type_wrong: { status: 415, title: 'The body has the wrong Content-Type', retry: 'never' },
  upload_offset_conflict: { status: 409, title: 'The upload goes on at another offset', retry: 'later' },
  upload_locked: { status: 423, title: 'Another request is writing to this upload', retry: 'later' },
  upload_size_exceeded: { status: 413, title: 'The body goes past the end of the upload', retry: 'never' },
  upload_checksum_unsupported: {
    status: 400,
    title: 'This checksum algorithm is not offered',
    retry: 'never',
  },
  upload_chunk_checksum_mismatch: {
    status: 460,
    title: 'The body does not match its checksum',
    retry: 'later',
  },
  upload_terminated: { status: 410, title: 'The upload was terminated', retry: 'never' },

  // Forms of the older API
  upload_too_large_for_edge: {
    status: 413,
    title: 'The form is larger than what passes the edge',
    retry: 'never',
  },
  form_malformed: { status: 400, title: 'The form is malformed', retry: 'never' },
  form_truncated: { status: 400, title: 'The form ends too early', retry: 'never' },
  form_field_too_large: { status: 413, title: 'A field of the form is too large', retry: 'never' },
  form_file_missing: { status: 422, title: 'The form has no file', retry: 'never' },
  form_file_repeated: { status: 422, title: 'The form has more than one file', retry: 'never' },

  // Imports. All but the first two are told by the transcoder, as the error of the job.
  import_url_invalid: { status: 422, title: 'The URL cannot be imported', retry: 'never' },
  import_address_refused: { status: 422, title: 'This address may not be imported from', retry: 'never' },
  import_redirect_refused: { status: 422, title: 'The redirect may not be followed', retry: 'never' },
  import_unreachable: { status: 502, title: 'The server of the file could not be read from', retry: 'later' },
  import_refused_by_server: { status: 502, title: 'The server did not hand out the file', retry: 'later' },
  import_source_changed: { status: 409, title: 'The file changed while it was being read', retry: 'later' },
  import_too_large: { status: 413, title: 'The file is larger than an import may be', retry: 'never' },
  import_timed_out: { status: 504, title: 'The import took longer than allowed', retry: 'later' },

  // Videos and jobs
  video_not_playable: { status: 409, title: 'The video cannot be played yet', retry: 'later' },
  region_unknown: { status: 400, title: 'There is no such region', retry: 'never' },
  video_busy: { status: 409, title: 'The video is in the wrong state for that', retry: 'never' },
  job_not_finished: { status: 409, title: 'The job has not finished', retry: 'later' },
  job_finished: { status: 409, title: 'The job has already finished', retry: 'never' },

  subtitles_invalid: { status: 422, title: 'The subtitles cannot be read', retry: 'never' },
  subtitles_of_file: { status: 409, title: 'These subtitles are part of the file', retry: 'never' },

  // Playback
  playback_token_invalid: { status: 403, title: 'The playback token is not valid', retry: 'never' },
  playback_token_expired: { status: 401, title: 'The playback token has expired', retry: 'never' },
  playback_outside_token: {
    status: 403,
    title: 'The playback token does not cover this path',
    retry: 'never',
  },
  playback_token_elsewhere: {
    status: 401,
    title: 'The playback token was given to another country or network',
    retry: 'never',
  },
  playback_region_refused: { status: 403, title: 'The video is not shown in this country', retry: 'never' },
  playback_not_entitled: { status: 403, title: 'This viewer may not watch this video', retry: 'never' },
  entitlement_unavailable: {
    status: 503,
    title: 'Whether this viewer may watch could not be found out',
    retry: 'later',
  },
  device_required: { status: 400, title: 'A device must be named here', retry: 'never' },
  device_limit_reached: { status: 403, title: 'The viewer has too many devices', retry: 'never' },
  concurrent_sessions_exceeded: { status: 429, title: 'The viewer watches too much at once', retry: 'later' },
  playback_session_revoked: { status: 403, title: 'The playback session was revoked', retry: 'never' },
  playback_generation_failed: {
    status: 410,
    title: 'What was being watched could not be finished',
    retry: 'never',
  },
  license_device_mismatch: { status: 403, title: "The licence is another device's", retry: 'never' },
  license_key_refused: { status: 403, title: 'The licence does not cover this key', retry: 'never' },
  license_system_unavailable: {
    status: 404,
    title: 'This key system has no licences here',
    retry: 'never',
  },
  license_refused: { status: 403, title: 'The vendor of licences refused this one', retry: 'never' },
  license_unavailable: { status: 503, title: 'The vendor of licences did not answer', retry: 'later' },
  range_not_satisfiable: { status: 416, title: 'The range lies outside the object', retry: 'never' },
  precondition_failed: { status: 412, title: 'A precondition of the request failed', retry: 'never' },
  ticket_invalid: { status: 401, title: 'The ticket is unknown, used or expired', retry: 'never' },
  too_many_connections: { status: 429, title: 'Too many connections', retry: 'later' },
  connection_silent: { status: 408, title: 'Nothing was heard for too long', retry: 'later' },
  connection_too_slow: { status: 408, title: 'The connection does not keep up', retry: 'later' },

  // Rooms and media over a WebSocket; where it is open already it closes with 4000 and the status
  room_full: { status: 429, title: 'The room is full', retry: 'later' },
  room_closed: { status: 410, title: 'The room was closed', retry: 'never' },
  room_idle: { status: 410, title: 'Nobody has used the room for long', retry: 'never' },
  room_control_refused: { status: 403, title: 'This member may not control the room', retry: 'never' },
  room_revision_stale: { status: 409, title: 'Somebody else was faster', retry: 'later' },
  room_member_unknown: { status: 404, title: 'Nobody of that name is in the room', retry: 'never' },
  room_member_replaced: { status: 409, title: 'The member is here by another connection', retry: 'never' },
  stream_not_offered: { status: 422, title: 'This video is not streamed that way', retry: 'never' },
  stream_track_unknown: { status: 404, title: 'There is no such track', retry: 'never' },
  stream_not_started: { status: 409, title: 'The stream has not been started', retry: 'never' },
  stream_credit_exceeded: { status: 409, title: 'More is granted than may be under way', retry: 'never' },

  // Webhooks
  webhook_url_invalid: { status: 422, title: 'Webhooks cannot go to this URL', retry: 'never' },
  webhook_address_refused: { status: 422, title: 'Webhooks may not go to this address', retry: 'never' },
  webhook_limit_reached: { status: 403, title: 'The owner has too many webhook endpoints', retry: 'never' },
  webhook_disabled: { status: 409, title: 'The webhook endpoint is disabled', retry: 'never' },

  // Recommendations; all but the last are told by the transcoder, as the error of a training run.
  recommend_no_history: { status: 409, title: 'There is nothing to learn from yet', retry: 'later' },
  recommend_too_large: { status: 422, title: 'The watch history outgrows one machine', retry: 'never' },
  recommend_failed: { status: 500, title: 'The training failed', retry: 'later' },
  recommend_in_progress: { status: 409, title: 'A training run is already under way', retry: 'later' },

  // Between transcoder and Worker
  lease_lost: { status: 409, title: 'The lease on this task is gone', retry: 'never' },
  commit_out_of_order: { status: 409, title: 'Segments are committed one by one, in order', retry: 'never' },
  plan_invalid: { status: 422, title: 'The plan does not add up', retry: 'never' },

  // Media: what the file is, told to a person. Stored as a job's error.
  media_not_video: { status: 422, title: 'The file is not a video', retry: 'never' },
  media_playlist_refused: { status: 422, title: 'The file is a playlist, not a video', retry: 'never' },
  media_image_refused: { status: 422, title: 'The file is a still image, not a video', retry: 'never' },
  media_no_video_stream: { status: 422, title: 'The file has no video stream', retry: 'never' },
  media_unsupported_container: {
    status: 422,
    title: 'The container format is not supported',
    retry: 'never',
  },
  media_unsupported_codec: { status: 422, title: 'The codec is not supported', retry: 'never' },
  media_malformed: { status: 422, title: 'The file is damaged', retry: 'never' },
  media_truncated: { status: 422, title: 'The file ends too early', retry: 'never' },
  media_encrypted: { status: 422, title: 'The file is encrypted', retry: 'never' },
  media_external_reference: { status: 422, title: 'The file refers to data outside itself', retry: 'never' },
  media_too_long: { status: 422, title: 'The video is longer than allowed', retry: 'never' },
  media_too_short: { status: 422, title: 'The video is too short', retry: 'never' },
  media_too_large: { status: 422, title: 'The picture is larger than allowed', retry: 'never' },
  media_frame_rate_too_high: {
    status: 422,
    title: 'The video has more pictures per second than allowed',
    retry: 'never',
  },
  media_too_many_streams: { status: 422, title: 'The file has too many streams', retry: 'never' },
  media_invalid_dimensions: { status: 422, title: 'The picture size makes no sense', retry: 'never' },

  // Work on a job that failed for reasons other than the file
  source_changed: { status: 409, title: 'The source changed while it was being read', retry: 'never' },
  init_mismatch: { status: 500, title: 'Two encoders disagree on the init segment', retry: 'later' },
  encode_failed: { status: 500, title: 'The encoder failed', retry: 'later' },
  encoder_not_available: {
    status: 422,
    title: 'No transcoder has the encoder that was asked for',
    retry: 'later',
  },
  encode_resources: { status: 500, title: 'The encoder ran out of memory or time', retry: 'later' },
  verification_failed: { status: 500, title: 'The finished stream failed its checks', retry: 'later' },
  transcoder_lost: { status: 500, title: 'The transcoders stopped without making progress', retry: 'later' },
  job_cancelled: { status: 409, title: 'The job was cancelled', retry: 'never' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** Media errors are verdicts on the file: no retry with the same bytes can help. */
export function isMediaError(code: ErrorCode): boolean {
  return code.startsWith('media_');
}

/** A failure with a code of the table. `detail` is a sentence for a person and never holds secrets. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  /** RFC 9110 Retry-After for answers with `retry: later`, in seconds. */
  readonly retryAfterSeconds: number | undefined;
  /** Response headers the status demands, such as `Content-Range` on a 416. */
  readonly headers: Record<string, string>;
  /** Machine-readable particulars, rendered beside the standard members of the problem. */
  readonly extra: Record<string, unknown>;

  constructor(
    code: ErrorCode,
    options: {
      detail?: string;
      cause?: unknown;
      retryAfterSeconds?: number;
      headers?: Record<string, string>;
      extra?: Record<string, unknown>;
    } = {},
  ) {
    const detail = options.detail ?? `${ERRORS[code].title}.`;
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.detail = detail;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.headers = options.headers ?? {};
    this.extra = options.extra ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}

/** RFC 9457 members plus `code` and `requestId`. */
export function problemOf(error: AppError, requestId: string): Record<string, unknown> {
  const { title, status } = ERRORS[error.code];
  return {
    ...error.extra,
    type: `https://reelay.dev/errors/${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.detail,
    requestId,
  };
}
