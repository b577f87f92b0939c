// A session's token, and the URLs it opens.
import type { Context } from 'hono';
import {
  CHAPTERS,
  dashName,
  jobOfPrefix,
  masterName,
  POSTER,
  PREVIEW,
  PROGRESSIVE,
  STORYBOARD,
} from '../../shared/object-keys.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { manifestsOf } from '../../shared/protection.ts';
import { licenseUrlOf, type OfferedSystem } from '../../shared/protection-systems.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { type PlayClaims, signToken } from '../../shared/sign.ts';
import type { AppEnv } from '../http/context.ts';
import { offeredSystems } from '../keys/offer.ts';
import { schemeOf } from '../keys/store.ts';
import { DEVICE_HEADER } from './license-session.ts';
import type { Playable } from './playable.ts';
import { isWithinCap } from './quality-cap.ts';

export type Grant = Omit<Playable, 'durationSeconds'> & {
  id: string;
  /** Country and network the token is bound to, if to any. */
  country: string | undefined;
  network: string | undefined;
  /** Unix seconds. */
  notBefore: number;
  expiresAt: number;
  /** The session's, which its licences are bound to. */
  deviceId?: string | null | undefined;
};

export async function playAnswer(c: Context<AppEnv>, grant: Grant): Promise<PlayAnswer> {
  const claims: PlayClaims = {
    pfx: grant.outputPrefix,
    use: 'play',
    exp: grant.expiresAt,
    nbf: grant.notBefore,
    sid: grant.id,
    ...(grant.maxRung === undefined ? {} : { maxHeight: grant.maxRung }),
    ...(grant.country === undefined ? {} : { cc: grant.country }),
    ...(grant.network === undefined ? {} : { ip: grant.network }),
  };
  const token = await signToken('play', claims, c.var.config.SIGNING_KEYS);
  const root = `${new URL(c.req.url).origin}/p/${token}/`;
  const base = root + grant.outputPrefix;
  const scheme = await schemeOf(c.env.DB, jobOfPrefix(grant.outputPrefix));
  const systems = offeredSystems(c.var.config);
  const offered = manifestsOf(scheme, systems);
  const isWhole = grant.hasProgressive && scheme === undefined && isWithinCap(PROGRESSIVE, grant.maxRung);
  c.header('Cache-Control', 'no-store');
  return {
    sessionId: grant.id,
    ...(offered.hls ? { hls: base + masterName(grant.manifestRevision) } : {}),
    ...(grant.isFinished && offered.dash ? { dash: base + dashName(grant.manifestRevision) } : {}),
    ...(isWhole ? { progressive: base + PROGRESSIVE } : {}),
    ...(grant.hasPoster ? { poster: base + POSTER } : {}),
    ...(grant.hasStoryboard ? { storyboard: base + STORYBOARD } : {}),
    ...(grant.hasPreview ? { preview: base + PREVIEW } : {}),
    ...(grant.hasChapters ? { chapters: base + CHAPTERS } : {}),
    ...(scheme === 'cenc' ? { drm: licenses(root, systems, grant.deviceId) } : {}),
    expiresAt: rfc3339(grant.expiresAt),
  };
}

function licenses(
  root: string,
  systems: readonly OfferedSystem[],
  deviceId: Grant['deviceId'],
): PlayAnswer['drm'] {
  const headers: Record<string, string> = deviceId ? { [DEVICE_HEADER]: deviceId } : {};
  const all = systems.map(({ keySystem }) => ({
    ...{ keySystem, licenseUrl: licenseUrlOf(root, keySystem), headers },
  }));
  return all[0] && { scheme: 'cenc', ...all[0], systems: all };
}
