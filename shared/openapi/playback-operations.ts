// Sessions, media and licences.
import {
  ClearKeyLicense,
  LicenseRequest,
  PlayAnswer,
  PlayRequest,
  RenewRequest,
  ViewerDevices,
  WatchLink,
} from '../play-api.ts';
import type { OperationTable } from './operation.ts';

const SESSION = [
  'playback_region_refused',
  'playback_not_entitled',
  'entitlement_unavailable',
  'device_required',
  'device_limit_reached',
  'concurrent_sessions_exceeded',
] as const;
const TOKEN = [
  'playback_token_invalid',
  'playback_token_expired',
  'playback_token_elsewhere',
  'playback_session_revoked',
] as const;
const MEDIA = ['range_not_satisfiable', 'precondition_failed', 'playback_region_refused'] as const;
const LICENSE = [
  ...TOKEN,
  'playback_region_refused',
  'license_device_mismatch',
  'license_key_refused',
  'license_system_unavailable',
  'protection_not_available',
] as const;
const RANGES = {
  Range: 'One range of bytes.',
  'If-None-Match': 'An entity tag that is held already.',
} as const;
const BYTES = { media: '*/*', about: 'A playlist, a manifest, a segment, an image or text.' } as const;
const NOT_MODIFIED = null;

export const PLAYBACK_OPERATIONS = {
  'POST /v1/videos/{id}/play': {
    summary: 'Begin a session: URLs that carry their own permission',
    tag: 'Playback',
    access: 'viewer',
    body: PlayRequest,
    isBodyOptional: true,
    answers: { 200: PlayAnswer },
    errors: [...SESSION, 'video_not_playable', 'playback_session_revoked', 'playback_generation_failed'],
    isIdempotent: true,
  },
  'POST /v1/videos/{id}/watch-link': {
    summary: 'A link to the built-in page for one video',
    tag: 'Playback',
    access: 'uploader',
    answers: { 201: WatchLink },
    errors: [],
    isIdempotent: true,
  },
  'POST /v1/sessions/{id}/renew': {
    summary: 'More time for a session, on the same generation',
    tag: 'Playback',
    access: 'viewer',
    body: RenewRequest,
    isBodyOptional: true,
    answers: { 200: PlayAnswer },
    errors: [...SESSION, 'playback_session_revoked', 'playback_generation_failed'],
    isIdempotent: true,
  },
  'DELETE /v1/sessions/{id}': {
    summary: 'End a session: its URLs stop within seconds',
    tag: 'Playback',
    access: 'viewer',
    answers: { 204: null },
    errors: [],
  },
  'GET /v1/viewers/{id}/devices': {
    summary: 'List the devices of a viewer',
    tag: 'Playback',
    access: 'viewer',
    answers: { 200: ViewerDevices },
    errors: [],
  },
  'DELETE /v1/viewers/{id}/devices': {
    summary: 'Remove all devices of a viewer',
    tag: 'Playback',
    access: 'viewer',
    answers: { 204: null },
    errors: [],
  },
  'DELETE /v1/viewers/{id}/devices/{deviceId}': {
    summary: 'Remove a device: what plays on it ends within seconds',
    tag: 'Playback',
    access: 'viewer',
    answers: { 204: null },
    errors: [],
  },
  'GET /p/{token}/{key}': {
    summary: 'Media by path token',
    about: 'The URLs of a session begin here; `key` has slashes. HEAD as well.',
    tag: 'Playback',
    access: 'path-token',
    headers: RANGES,
    answers: { 200: BYTES, 206: BYTES, 304: NOT_MODIFIED },
    errors: [...TOKEN, ...MEDIA, 'playback_outside_token'],
  },
  'GET /hls/{folder}/{id}/{name}': {
    summary: 'Public videos, without a token',
    about:
      '`folder` is movies, episodes or videos; `id` a content id or a video id; `name` is master.m3u8, manifest.mpd ' +
      'or a path below a generation. What is not there for everybody is 404. HEAD as well.',
    tag: 'Playback',
    access: 'anyone',
    headers: RANGES,
    answers: { 200: BYTES, 206: BYTES, 304: NOT_MODIFIED },
    errors: MEDIA,
  },
  'POST /p/{token}/license': {
    summary: 'A ClearKey licence, after W3C Encrypted Media Extensions §9.1',
    tag: 'Playback',
    access: 'path-token',
    body: LicenseRequest,
    answers: { 200: ClearKeyLicense },
    errors: LICENSE,
  },
  'POST /p/{token}/license/{system}': {
    summary: 'A licence of a vendor: widevine or playready',
    tag: 'Playback',
    access: 'path-token',
    body: { media: 'application/octet-stream', about: 'The challenge of the content decryption module.' },
    answers: { 200: { media: 'application/octet-stream', about: 'The licence.' } },
    errors: [...LICENSE, 'license_refused', 'license_unavailable'],
  },
  'GET /watch/{id}': {
    summary: 'The built-in page for one video',
    about: 'What a private video needs comes in the fragment of its link.',
    tag: 'Playback',
    access: 'anyone',
    answers: { 200: { media: 'text/html', about: 'The page.' } },
    errors: [],
  },
} as const satisfies OperationTable;
