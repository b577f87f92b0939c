// Who watches, on what and from where. Servers (API keys) say it of their viewers; of everyone else the credential
// and the edge say it.
import type { Context } from 'hono';
import type { Role } from '../../shared/api.ts';
import type { PlayRequest } from '../../shared/play-api.ts';
import type { AppEnv } from '../http/context.ts';
import { edgeCountry } from '../http/edge-country.ts';
import { edgeAddress, networkOf } from './place.ts';

export type Viewer = {
  ownerId: string;
  /** Unique within the owner; empty for nobody in particular: a link's guest, a server that names no one. */
  id: string;
  role: Role | 'guest';
  deviceId: string | undefined;
  country: string | undefined;
  /** The network its tokens are bound to, if to any. */
  network: string | undefined;
};

export function viewerOf(c: Context<AppEnv>, request: Partial<PlayRequest>): Viewer {
  const { caller, config } = c.var;
  const isServer = caller.via === 'api-key';
  const address = isServer ? request.clientIp : edgeAddress(c.req.raw);
  return {
    ownerId: caller.ownerId,
    id: (isServer ? request.viewerId : caller.subject) ?? '',
    role: caller.via === 'watch-link' ? 'guest' : caller.role,
    deviceId: request.deviceId,
    country: (isServer ? request.country : undefined) ?? edgeCountry(c.req.raw),
    network: config.BIND_IP && address !== undefined ? networkOf(address, config.BIND_IP) : undefined,
  };
}
