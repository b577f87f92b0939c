// Whose a licence is: the session of a token, asked of D1, since a licence is rare and worth the truth.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { PlayClaims } from '../../shared/sign.ts';
import type { AppEnv } from '../http/context.ts';
import { edgeCountry } from '../http/edge-country.ts';
import { refuseRegion } from './regions.ts';

export const DEVICE_HEADER = 'X-Device-ID';

export type LicensedSession = {
  id: string;
  videoId: string;
  contentId: string | null;
  /** Empty for nobody in particular. */
  viewerId: string;
  deviceId: string | null;
  country: string | null;
};

/** @throws AppError `playback_session_revoked`, `license_device_mismatch`, `playback_region_refused` */
export async function licensedSession(
  c: Context<AppEnv>,
  { sid, pfx, cc }: PlayClaims,
): Promise<LicensedSession> {
  const row = await c.env.DB.prepare(
    `SELECT s.id, s.video_id AS videoId, v.content_id AS contentId, v.regions, s.viewer_id AS viewerId,
            s.device_id AS deviceId, s.country
     FROM sessions s JOIN videos v ON v.id = s.video_id
     WHERE s.id = ? AND s.output_prefix = ? AND s.revoked_at IS NULL AND s.expires_at > unixepoch()
       AND v.state <> 'deleting'`,
  )
    .bind(sid, pfx)
    .first<LicensedSession & { regions: string }>();
  if (!row) throw new AppError('playback_session_revoked');
  const { regions, ...session } = row;
  if (session.deviceId !== null && session.deviceId !== c.req.header(DEVICE_HEADER)) {
    throw new AppError('license_device_mismatch', {
      detail: `The session was begun on another device than ${DEVICE_HEADER} says.`,
    });
  }
  // The video may be shown in fewer countries than when the session began.
  const country = edgeCountry(c.req.raw) ?? cc ?? session.country ?? undefined;
  refuseRegion(JSON.parse(regions), country, c.var.config.REGION_UNKNOWN);
  return session;
}
