// Which protection this deployment can give.
import { AppError } from '../../shared/errors.ts';
import type { KeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import type { Protection } from '../../shared/protection.ts';
import type { KeySystem, OfferedSystem } from '../../shared/protection-systems.ts';
import type { DrmVendor } from '../../shared/protection-vendors.ts';
import type { Config } from '../env.ts';

type Wanted = {
  protection?: Protection | undefined;
  keyRotationSegments?: number | undefined;
  visibility?: 'private' | 'public' | undefined;
};

/** @throws AppError `protection_not_available`, `invalid_request` for a rotation of what has one key */
export function refuseProtection(config: Config, { protection = 'none', ...wanted }: Wanted): void {
  if (wanted.keyRotationSegments !== undefined && protection !== 'aes-128') {
    throw new AppError('invalid_request', { detail: 'keyRotationSegments goes with protection aes-128.' });
  }
  if (protection === 'none') return;
  requireKeks(config);
  if (wanted.visibility === 'public') {
    throw new AppError('protection_not_available', {
      detail:
        'A public video is open to everybody, so its keys would be too; protection needs visibility private.',
    });
  }
}

/** @throws AppError `protection_not_available` */
export function requireKeks({ KEYS_KEK }: Config): KeyEncryptionKeys {
  if (KEYS_KEK) return KEYS_KEK;
  throw new AppError('protection_not_available', {
    detail: 'This deployment has no KEYS_KEK, the secret that content keys are wrapped with.',
  });
}

/** The vendor of a key system; undefined where there is none, and for ClearKey, which is ours. */
export function vendorOf(config: Config, keySystem: KeySystem): DrmVendor | undefined {
  if (keySystem === 'com.widevine.alpha') return config.DRM_WIDEVINE;
  return keySystem === 'com.microsoft.playready' ? config.DRM_PLAYREADY : undefined;
}

/** The key systems of what is under Common Encryption, the one to try first before the others. */
export function offeredSystems(config: Config): OfferedSystem[] {
  const { DRM_WIDEVINE, DRM_PLAYREADY, DRM_CLEARKEY } = config;
  const vendors: OfferedSystem[] = [
    ...(DRM_WIDEVINE ? [{ keySystem: 'com.widevine.alpha' as const, provider: DRM_WIDEVINE.provider }] : []),
    ...(DRM_PLAYREADY ? [{ keySystem: 'com.microsoft.playready' as const }] : []),
  ];
  // Beside a vendor it would hand out in the clear what the vendor keeps from the viewer.
  const hasClearKey = (DRM_CLEARKEY ?? (vendors.length > 0 ? 'off' : 'on')) === 'on';
  return [...vendors, ...(hasClearKey ? [{ keySystem: 'org.w3.clearkey' as const }] : [])];
}
