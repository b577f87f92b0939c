// Which protection this deployment can give.
import { AppError } from '../../shared/errors.ts';
import type { KeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import type { Protection } from '../../shared/protection.ts';
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
