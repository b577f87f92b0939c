// Who issues the licences of what Common Encryption protects: our own ClearKey, or the vendor of a key system. They
// are named in manifests as they are served, so that a generation knows nothing of vendors.
import { z } from 'zod';
import { playReadyObject, toBase64, widevinePssh } from './pssh.ts';

export const KeySystem = z.enum(['org.w3.clearkey', 'com.widevine.alpha', 'com.microsoft.playready']);
export type KeySystem = z.infer<typeof KeySystem>;

/** What a deployment offers. `provider` is of Widevine alone, and goes into its data with the content's id. */
export type OfferedSystem = { keySystem: KeySystem; provider?: string | undefined };

/** The licence of each, below a token's path. */
const LICENSE_PATHS: Record<KeySystem, string> = {
  'org.w3.clearkey': 'license',
  'com.widevine.alpha': 'license/widevine',
  'com.microsoft.playready': 'license/playready',
};

/** @param root `https://…/p/{token}/` */
export function licenseUrlOf(root: string, keySystem: KeySystem): string {
  return root + LICENSE_PATHS[keySystem];
}

/** The key system whose licence is at this path; undefined for any other. */
export function keySystemAt(path: string): KeySystem | undefined {
  return KeySystem.options.find((keySystem) => LICENSE_PATHS[keySystem] === path);
}

export type ProtectedContent = { keyId: string; contentId: string };

/** What Widevine reads of the content; base64. */
export function widevineData({ keyId, contentId }: ProtectedContent, provider: string | undefined): string {
  // The id means something to its provider alone.
  return toBase64(
    widevinePssh({ keyIds: [keyId], ...(provider === undefined ? {} : { provider, contentId }) }),
  );
}

/** `EXT-X-KEY` attributes of the systems that HLS has a spelling for; ClearKey has none. */
export function keyAttributes(systems: readonly OfferedSystem[], content: ProtectedContent): string[] {
  return systems.flatMap(({ keySystem, provider }) => {
    if (keySystem === 'com.widevine.alpha') return [widevineAttributes(content, provider)];
    if (keySystem === 'com.microsoft.playready') return [playReadyAttributes(content)];
    return [];
  });
}

function widevineAttributes(content: ProtectedContent, provider: string | undefined): string {
  return [
    'METHOD=SAMPLE-AES-CTR',
    `URI="data:text/plain;base64,${widevineData(content, provider)}"`,
    `KEYID=0x${content.keyId}`,
    'KEYFORMATVERSIONS="1"',
    'KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"',
  ].join(',');
}

function playReadyAttributes({ keyId }: ProtectedContent): string {
  return [
    'METHOD=SAMPLE-AES-CTR',
    `URI="data:text/plain;charset=UTF-16;base64,${toBase64(playReadyObject(keyId))}"`,
    'KEYFORMATVERSIONS="1"',
    'KEYFORMAT="com.microsoft.playready"',
  ].join(',');
}
