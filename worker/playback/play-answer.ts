// A session's token, and the URLs it opens.
import type { Context } from 'hono';
import { CHAPTERS, dashName, masterName, POSTER, PREVIEW, STORYBOARD } from '../../shared/object-keys.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type PlayClaims, signToken } from '../../shared/sign.ts';
import type { AppEnv } from '../http/context.ts';
import type { Playable } from './playable.ts';

export type Grant = Omit<Playable, 'durationSeconds'> & {
  id: string;
  /** Country and network the token is bound to, if to any. */
  country: string | undefined;
  network: string | undefined;
  /** Unix seconds. */
  notBefore: number;
  expiresAt: number;
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
  const base = `${new URL(c.req.url).origin}/p/${token}/${grant.outputPrefix}`;
  c.header('Cache-Control', 'no-store');
  return {
    sessionId: grant.id,
    hls: base + masterName(grant.manifestRevision),
    ...(grant.isFinished ? { dash: base + dashName(grant.manifestRevision) } : {}),
    ...(grant.hasPoster ? { poster: base + POSTER } : {}),
    ...(grant.hasStoryboard ? { storyboard: base + STORYBOARD } : {}),
    ...(grant.hasPreview ? { preview: base + PREVIEW } : {}),
    ...(grant.hasChapters ? { chapters: base + CHAPTERS } : {}),
    expiresAt: timestamp(grant.expiresAt),
  };
}

export function timestamp(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString();
}
